"""The parts of the test split on which student and teacher are set against each other."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from compress.errors import InputError
from compress.metrics.scores import Answers, answers
from compress.metrics.slices import Members, measured_slice, members_of
from compress.recipe.nodes import Slices
from compress.tasks.corrupt import IMAGE_CORRUPTIONS, corrupt
from compress.tasks.corrupt_audio import with_noise
from compress.tasks.corrupt_text import tokenized_again, typos
from compress.tasks.data import Samples, Task
from compress.tasks.tokens import token_counts
from compress.values import Slice

_TOGETHER = 64  # recordings that are read again at once
Scores = Callable[[str, Samples], NDArray[np.float32]]  # of a subject on samples


def slice_kinds(task: Task, node: Slices) -> tuple[str, ...]:
    """What the test split is sliced by; reads no test sample."""
    parts = [kind for kind in _parts(task) if node.by is None or kind in node.by]
    return (*parts, "corruption") if _corruptions(task, node) else tuple(parts)


def check_slices(task: Task, node: Slices) -> None:
    """InputError for a slice or a corruption that the data does not have; reads no test sample."""
    known = _parts(task)
    for name in node.by or ():
        if name not in known:
            raise InputError(
                f"the test split can't be sliced by {name!r}",
                where="slices.by",
                cure=f"here it can be by {', '.join(known)}",
            )
    fitting = _fitting(task)
    for kind in node.corruptions or ():
        if kind not in fitting:
            raise InputError(
                f"{kind} is no corruption of such inputs",
                where="slices.corruptions",
                cure=f"here {', '.join(fitting)} fit" if fitting else "write `corruptions: []`",
            )


def all_slices(
    task: Task,
    test: Samples,
    reference: Answers,
    candidate: Answers,
    *,
    node: Slices,
    seed: int,
    scores: Scores,
) -> tuple[Slice, ...]:
    """Everything in `slice_kinds`; of a reference whose classes alone are known what needs no file
    of it: neither its confidence nor its answers on corrupted samples."""
    found = slices_of(task, test, reference, candidate, node=node)
    if reference.scored is None:
        return found
    names = reference.subject, candidate.subject
    return found + corrupted_slices(task, test, *names, node=node, seed=seed, scores=scores)


def absent_kinds(task: Task, node: Slices, reference: Answers) -> tuple[str, ...]:
    """Those of `slice_kinds` that `all_slices` has to leave out."""
    if reference.scored is not None:
        return ()
    return tuple(kind for kind in slice_kinds(task, node) if kind in ("confidence", "corruption"))


def slices_of(
    task: Task, test: Samples, reference: Answers, candidate: Answers, *, node: Slices
) -> tuple[Slice, ...]:
    """By class, column, brightness, length and the reference's confidence, as far as the data has
    them and `by` wants them."""
    numbers = dict(_numbers(task, test))
    if reference.scored is not None:
        numbers["confidence"] = reference.scored.confidence
    members = members_of(
        test.labels,
        task.classes,
        columns=test.columns,
        numbers=numbers,
        units={"length": "s"} if task.recorded is not None else {},
        by=node.by,
    )
    return tuple(
        measured_slice(
            one,
            reference.classes,
            candidate.classes,
            test.labels,
            test.ids,
            groups=test.groups,
            against=reference.subject,
        )
        for one in members
    )


def corrupted_slices(
    task: Task,
    test: Samples,
    reference: str,
    candidate: str,
    *,
    node: Slices,
    seed: int,
    scores: Scores,
) -> tuple[Slice, ...]:
    """Both models on corrupted test samples, at most node.samples of them, evenly spread."""
    wanted = _corruptions(task, node)
    if not wanted:
        return ()
    count = min(node.samples, len(test))
    rows = np.linspace(0, len(test) - 1, count).astype(np.int64)
    plain = replace(
        test,
        ids=test.ids[rows],
        inputs=test.inputs[rows],
        labels=test.labels[rows],
        columns={},
        groups=None if test.groups is None else test.groups[rows],
        texts=tuple(test.texts[row] for row in rows) if test.texts else (),
    )
    found = []
    for kind in wanted:
        changed = replace(plain, inputs=_corrupted(task, plain, kind, seed=seed))
        before = answers(reference, scores(reference, changed), changed.labels)
        after = answers(candidate, scores(candidate, changed), changed.labels)
        everything = Members(kind="corruption", name=kind, rows=np.ones(count, dtype=np.bool_))
        found.append(
            measured_slice(
                everything,
                before.classes,
                after.classes,
                changed.labels,
                changed.ids,
                groups=changed.groups,
                against=reference,
            )
        )
    return tuple(found)


def _parts(task: Task) -> tuple[str, ...]:
    """What any sample of such data can be told by."""
    numbers: tuple[str, ...] = ()
    if task.padding is not None or task.recorded is not None:
        numbers = ("length",)
    elif task.train.inputs.ndim == 4:
        numbers = ("brightness",)
    return ("class", *task.columns, *numbers, "confidence")


def _corruptions(task: Task, node: Slices) -> tuple[str, ...]:
    return _fitting(task) if node.corruptions is None else node.corruptions


def _fitting(task: Task) -> tuple[str, ...]:
    """The corruptions that the task's samples can suffer."""
    if task.tokenizer is not None:
        return ("typos",)
    rows = task.train.inputs
    if rows.ndim == 4:
        return IMAGE_CORRUPTIONS
    return ("noise",) if rows.dtype.kind == "f" else ()


def _corrupted(task: Task, plain: Samples, kind: str, *, seed: int) -> NDArray[np.generic]:
    if task.tokenizer is not None:
        assert task.padding is not None
        changed = typos(plain.texts, seed=seed)
        return tokenized_again(changed, tokenizer=task.tokenizer, padding=task.padding)
    recorded = task.recorded
    if recorded is not None and recorded.features is not None:
        made = []  # noise is in the air, not in what is computed of it
        for ids in np.array_split(plain.ids, -(-len(plain) // _TOGETHER)):
            waves = with_noise(recorded.waveforms(ids), ids=ids, seed=seed)
            made.append(recorded.features(waves))
        return np.concatenate(made)
    if plain.inputs.ndim == 4:
        return corrupt(kind, plain.inputs, seed=seed)
    return with_noise(plain.inputs.astype(np.float32), ids=plain.ids, seed=seed)


def _numbers(task: Task, test: Samples) -> Mapping[str, NDArray[np.float64]]:
    """What is known of any sample of its kind: brightness of images, length of texts in tokens and
    of recordings in seconds, where they differ in it."""
    if task.recorded is not None:
        seconds = task.recorded.seconds(test.ids).astype(np.float64)
        return {"length": seconds} if len(np.unique(seconds)) > 1 else {}
    if task.padding is not None:
        lengths = token_counts(test.inputs, padding=task.padding)
        return {"length": lengths.astype(np.float64)}
    if test.inputs.ndim == 4:
        # Batch by batch: a memory-mapped split is never read whole.
        means = [
            task.prepare(test.inputs[at : at + 1024]).mean(axis=(1, 2, 3), dtype=np.float64)
            for at in range(0, len(test), 1024)
        ]
        return {"brightness": np.concatenate(means)}
    return {}
