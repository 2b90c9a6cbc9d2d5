"""What a teacher must be before anything is learnt from it: the same classes, steady, and right."""

from __future__ import annotations

import json

import numpy as np
from numpy.typing import NDArray

from compress.errors import InputError
from compress.metrics.fidelity import cosines
from compress.recipe.loss_needs import terms_of
from compress.recipe.loss_nodes import LossNode
from compress.tasks.batches import row_batches
from compress.tasks.data import Samples, Task
from compress.tasks.labelled import NO_LABEL, frame_labels
from compress.teachers.diagnose import likely_cause
from compress.teachers.outputs import BATCH, plain_answers
from compress.teachers.scores import looks_like_probabilities
from compress.teachers.teacher import Teacher

PROBED = 16
_ALIKE = 1e-3  # spread of cosines below which embeddings tell nothing apart
_STEADY = 2e-3  # of max(1, |logit|): kernels sum in another order at another batch


def check_embedder(teacher: Teacher, task: Task, embeddings: NDArray[np.float32]) -> None:
    """A teacher of embeddings. embeddings: (n, width) what it gives of validation samples.

    Raises InputError as check_teacher does, and for one that gives all samples nearly the same
    direction, which is no better than chance.
    """
    check_form(teacher, task)
    check_apart(embeddings)


def check_apart(embeddings: NDArray[np.float32]) -> None:
    """InputError for embeddings (n, width) of a teacher that all have nearly the same direction."""
    found = cosines("teacher", embeddings)
    apart = found[np.triu_indices(len(found), k=1)]
    if float(apart.std()) < _ALIKE:
        raise InputError(
            f"the teacher gives all samples nearly the same embedding (cosines {apart.min():.4f} "
            f"to {apart.max():.4f})",
            where="teacher",
            cure="check its input scaling, pooling and weights",
        )


def check_teacher(teacher: Teacher, task: Task) -> float:
    """Accuracy on validation, of streams over its frames; of stored outputs that lack it, on train.

    Raises InputError as check_form and check_right do.
    """
    check_form(teacher, task)
    return check_right(teacher, task)


def check_form(teacher: Teacher, task: Task) -> None:
    """InputError for other class names, another order of them, other inputs, and answers that
    change from call to call or with their batch mates; a few samples are asked for."""
    _check_facts(teacher, task)
    if teacher.by_id is None:
        _check_steady(teacher, task)


def check_right(teacher: Teacher, task: Task) -> float:
    """Accuracy as check_teacher gives it. InputError for another number of classes, probabilities
    where logits are due, and a teacher that is no better than chance: then with the likely cause.
    """
    samples = _judged(teacher, task)
    right, judged, alike = 0, 0, True
    for rows in row_batches(task, samples, BATCH):
        scores = plain_answers(teacher, task, samples, rows)
        labels = frame_labels(task, samples, rows) if task.frames else samples.labels[rows]
        right += int((scores.argmax(axis=1) == labels).sum())
        judged += len(labels) if not task.frames else int((labels != NO_LABEL).sum())
        alike = alike and looks_like_probabilities(scores)
    accuracy = right / judged
    named = samples.labels[samples.labels != NO_LABEL] if task.frames else samples.labels
    counts = np.bincount(named, minlength=len(task.classes))
    chance = float(counts.max() / counts.sum())
    if accuracy <= chance:
        cause = likely_cause(teacher, task, samples)
        raise InputError(
            f"the teacher is right on {100 * accuracy:.1f} % of validation, no better than "
            f"naming the largest class ({100 * chance:.1f} %){cause.what}",
            where="teacher",
            cure=cause.cure,
        )
    if alike:
        raise InputError(
            "the teacher gives probabilities where logits are due: softmax would be taken twice",
            where="teacher.outputs",
            cure="write `outputs: probabilities`, or leave softmax out of the model",
        )
    return accuracy


def check_use(teacher: Teacher, task: Task, loss: LossNode, *, mixed: bool) -> None:
    """InputError for stored outputs that don't belong to what the student will see, and for a loss
    that needs more than the teacher gives."""
    if teacher.by_id is not None and teacher.gives != "labels":
        what = "mixup" if mixed else None if task.augmentation.is_identity else "task.augment"
        if what is not None:
            raise InputError(
                f"stored {teacher.gives} belong to the samples as they are, and {what} changes "
                "what the student sees",
                where="teacher.kind: outputs",
                cure=f"remove {what}, or name the teacher itself",
            )
    if teacher.by_id is not None and teacher.gives == "labels" and mixed:
        raise InputError(
            "hard labels of single samples say nothing of a mixture of two",
            where="teacher.kind: outputs",
            cure="remove mixup, or name the teacher itself",
        )
    if teacher.gives == "labels":
        for term in terms_of(loss):
            if term.kind not in ("labels", "hard"):
                raise InputError(
                    f"`{term.kind}` needs scores, and the teacher gives hard labels alone",
                    where="distill.loss",
                    cure="write `loss: hard`",
                )


def _check_facts(teacher: Teacher, task: Task) -> None:
    shape, scale = tuple(task.train.inputs.shape[1:]), task.scale
    if teacher.input_shape is not None and teacher.input_shape != shape:
        raise InputError(
            f"the teacher was made for samples of shape {teacher.input_shape}, the task's have "
            f"{shape}",
            where="teacher",
            cure="use a teacher of this size and these channels",
        )
    if teacher.scale is not None and not np.isclose(teacher.scale, scale):
        raise InputError(
            f"the teacher was made for inputs times {teacher.scale:.6g}, the task scales by "
            f"{scale:.6g}",
            where="teacher",
            cure="scale as the earlier run did",
        )
    if teacher.tokenizer is not None and task.tokenizer is not None:
        _check_tokens(teacher.tokenizer, task.tokenizer)
    if teacher.classes is not None:
        check_class_names(teacher.classes, task.classes)


def _check_tokens(theirs: str, ours: str) -> None:
    """InputError unless both make the same ids of a text: cut to whatever length, padded or not."""
    from tokenizers import Tokenizer

    # Written anew by one version of the library: another may leave out what is its default.
    read, other = (json.loads(Tokenizer.from_str(text).to_str()) for text in (theirs, ours))
    parts = ("normalizer", "pre_tokenizer", "model", "post_processor", "added_tokens")
    differing = [part for part in parts if read[part] != other[part]]
    if differing:
        raise InputError(
            f"the teacher was made for texts of another tokenizer ({differing[0]} differs)",
            where="task.tokenizer",
            cure="use the tokenizer.json of the earlier run",
        )


def check_class_names(theirs: tuple[str, ...], ours: tuple[str, ...]) -> None:
    """InputError unless both are the same names in the same order; case does not matter."""
    ordered = [name.casefold() for name in theirs], [name.casefold() for name in ours]
    if ordered[0] == ordered[1]:
        return
    if len(theirs) != len(ours):
        raise InputError(
            f"the teacher has {len(theirs)} classes, the task {len(ours)}",
            where="teacher",
            cure="use a teacher of the same classes",
        )
    at = next(index for index in range(len(ours)) if ordered[0][index] != ordered[1][index])
    same = sorted(ordered[0]) == sorted(ordered[1])
    raise InputError(
        f"the teacher's class {at} is {theirs[at]!r}, the task's is {ours[at]!r}",
        where="teacher",
        cure="put the classes of the teacher's last layer in the task's order"
        if same
        else "use a teacher of the same classes, named alike",
    )


def _check_steady(teacher: Teacher, task: Task) -> None:
    if any(member.by_id is not None for member, _ in teacher.members):
        return  # stored outputs are steady, and may lack validation; each other was checked alone
    rows = np.arange(min(PROBED, len(task.validation)))
    before = _state(teacher)
    first = plain_answers(teacher, task, task.validation, rows)
    again = plain_answers(teacher, task, task.validation, rows)
    cure = "a teacher answers in eval mode: no dropout, no noise, no batch statistics"
    if _differ(first, again):
        raise InputError("the teacher answers the same samples differently each time",
                         where="teacher", cure=cure)  # fmt: skip
    apart = np.concatenate(
        [plain_answers(teacher, task, task.validation, part) for part in np.split(rows, len(rows))]
    )
    if _differ(first, apart):
        raise InputError("the teacher's answer to a sample depends on the others in its batch",
                         where="teacher", cure=cure)  # fmt: skip
    if _state(teacher) != before:
        raise InputError("the teacher's own buffers change while it answers",
                         where="teacher", cure=cure)  # fmt: skip


def _differ(first: NDArray[np.float32], other: NDArray[np.float32]) -> bool:
    return bool((np.abs(first - other) > _STEADY * np.maximum(1.0, np.abs(first))).any())


def _state(teacher: Teacher) -> tuple[bytes, ...]:
    """The buffers of a module: running statistics are among them, weights have no gradients."""
    if teacher.module is None:
        return ()
    return tuple(buffer.detach().cpu().numpy().tobytes() for buffer in teacher.module.buffers())


def _judged(teacher: Teacher, task: Task) -> Samples:
    """Validation; of stored outputs without it, train."""
    for one in (teacher, *(member for member, _ in teacher.members)):
        if one.by_id is None:
            continue
        try:
            one.by_id(task.validation.ids)
        except InputError:
            return task.train
    return task.validation
