"""`distil recheck`: the student of a finished run, measured and judged again where it is now.

A runtime was upgraded, or the file is to be served by another machine: answers of int8 files change
with the CPU, and times with everything. Nothing of the run is changed, and no stored time is held
against a new one: the teacher is timed again beside the student, from the cache or a given file.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.devices import check_device
from benchmarks.environment import machine_fingerprint
from benchmarks.values import Environment
from compress.errors import InputError
from compress.gate.bounds import budget_lines
from compress.gate.judge import judge
from compress.gate.lookup import STUDENT, TEACHER, measurement_of
from compress.metrics.compared import compare_answers
from compress.metrics.scores import Answers, answers
from compress.pipeline.assemble import VERSIONS
from compress.pipeline.context import Context, versions_of
from compress.pipeline.scenarios import absent_kinds, all_slices
from compress.pipeline.stages.judging import PREDICTIONS_FILE, judge_files
from compress.pipeline.stages.measuring import measure_files
from compress.pipeline.stages.predicting import scores
from compress.pipeline.verify import Problem, verify_run
from compress.recipe.load import LoadedRecipe, load_recipe_text
from compress.report.codec import from_json
from compress.report.serialise import load_report
from compress.store.store import Store
from compress.tasks.build import build_task
from compress.tasks.data import Samples, Task
from compress.values import PairedQuality, Quality, Report, Slice
from exporters.atomic import sha256_file
from exporters.cpus import allowed_cpus
from exporters.events import Event

MODEL = "student.onnx"
Classes = NDArray[np.int64]
OnEvent = Callable[[Event], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rechecked:
    """then: the run's report; now: one of the same student here. changed_answers: of the student,
    on the same test samples. differing: what of machine and runtime is another one."""

    then: Report
    now: Report
    changed_answers: int
    samples: int
    differing: tuple[str, ...]


def damaged(folder: Path) -> tuple[Problem, ...]:
    """What makes a run unfit to be measured: files that are not as it wrote them."""
    return tuple(p for p in verify_run(folder) if p.kind != "unlisted")


def recheck(
    folder: Path,
    *,
    recipe_folder: Path,
    cache: Path,
    teacher: Path | None = None,
    data_folder: Path | None = None,
    on_event: OnEvent = lambda event: None,
) -> Rechecked:
    """Answers, latency, memory and every budget again. Call it on a run that is not `damaged`.

    recipe_folder: what the recipe's paths are relative to. teacher: its ONNX file, where the cache
    holds it no more; without either, the teacher's stored answers serve, and its time is missing.
    Raises InputError: no finished run, a run of several targets, other data than the run was
    judged on, another teacher.
    """
    then = load_report(folder, samples=False)
    loaded = load_recipe_text(
        then.recipe_text, folder=recipe_folder, overrides=then.recipe_overrides
    )
    if loaded.recipe.targets:
        raise InputError(
            "the run has several targets, and one alone can be measured again",
            where=str(folder),
            cure="run its recipe on the other machine: `distil run`",
        )
    for device in loaded.recipe.bench.devices:
        check_device(device, {"onnxruntime"})
    context = _context(loaded, then, cache=cache, data_folder=data_folder, on_event=on_event)
    files = {STUDENT: folder / MODEL}
    found = _teacher(then, cache=cache, given=teacher)
    if found is not None:
        files = {TEACHER: found, **files}
    measured = measure_files(context, files, on_event)
    on_event(Event("start", "judge", "answers on the test samples"))
    before = _stored_answers(folder, context.task)
    again = _answers(context, files, before, on_event)
    now = replace(
        then,
        created_at=datetime.now(UTC).isoformat(timespec="seconds"),
        versions=versions_of(*VERSIONS),
        stages=(),
        measured=measured,
        qualities=again.qualities,
        pairs=again.pairs,
        slices=again.slices,
        slices_absent=again.slices_absent,
        added=(),
        ledger=(),
        node_costs=(),
        verdicts=(),
        notes=_notes(then, loaded, teacher=found),
    )
    budgets = loaded.recipe.budgets
    now = replace(now, verdicts=judge(now, budgets), budget_lines=budget_lines(now, budgets))
    return Rechecked(
        then=then,
        now=now,
        changed_answers=int(np.count_nonzero(again.student != before[STUDENT])),
        samples=len(again.student),
        differing=_differing(then, measured.environment),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Again:
    qualities: tuple[Quality, ...]
    pairs: tuple[PairedQuality, ...]
    slices: tuple[Slice, ...]
    student: Classes
    slices_absent: dict[str, tuple[str, ...]] = field(default_factory=dict)


def _context(
    loaded: LoadedRecipe, then: Report, *, cache: Path, data_folder: Path | None, on_event: OnEvent
) -> Context:
    """Without control rows: their files are not part of a run's folder."""
    recipe = loaded.recipe.model_copy(update={"controls": "none"})
    task = build_task(
        recipe.task,
        folder=loaded.folder,
        seed=recipe.seed,
        cache=cache,
        data_folder=data_folder,
        on_event=on_event,
    )
    if task.outputs != "classes":
        what, cure = "a run of embeddings can't be rechecked", "run its recipe into another folder"
        raise InputError(what, where=task.name, cure=cure)
    if task.fingerprint != then.data_fingerprint:
        what = f"is other data than the run was judged on ({then.data_fingerprint[:12]})"
        cure = "name the folder of the recipe with --recipe-folder, or bring back that data"
        raise InputError(what, where=task.name, cure=cure)
    return Context(
        recipe=recipe,
        folder=loaded.folder,
        cache=cache,
        data_folder=data_folder,
        task=task,
        machine=machine_fingerprint(),
        threads=allowed_cpus(),
    )


def _teacher(then: Report, *, cache: Path, given: Path | None) -> Path | None:
    """The very file that the run measured: the given one, or the cache's."""
    measurement = measurement_of(then, TEACHER)
    if measurement is None:
        return None
    if given is not None:
        if not given.is_file():
            raise InputError("no such file", where=str(given), cure="name the teacher's ONNX file")
        if sha256_file(given) != measurement.digest:
            what = f"is not the teacher of this run (SHA-256 {measurement.digest[:12]}...)"
            raise InputError(what, where=str(given), cure="leave --teacher out, or name that file")
        return given
    if not (cache / "blobs").is_dir():
        return None
    with Store(cache) as store:
        held = store.blobs.has(measurement.digest)
        return store.blobs.path(measurement.digest) if held else None


def _stored_answers(folder: Path, task: Task) -> dict[str, Classes]:
    """Classes per subject as the run found them, of the same samples."""
    with np.load(folder / PREDICTIONS_FILE, allow_pickle=False) as stored:
        if not np.array_equal(stored["ids"], task.test().ids):
            what, cure = "is of other test samples than the task has now", "bring back that data"
            raise InputError(what, where=str(folder / PREDICTIONS_FILE), cure=cure)
        return {name: stored[name] for name in (TEACHER, STUDENT) if name in stored.files}


def _answers(
    context: Context, files: Mapping[str, Path], before: Mapping[str, Classes], on_event: OnEvent
) -> _Again:
    if TEACHER in files or TEACHER not in before:
        judged = judge_files(context, files, tuple(files), on_event)
        facts = json.loads(json.dumps(judged.facts))  # as the judge's stage stores them
        return _Again(
            qualities=tuple(from_json(Quality, value) for value in facts["qualities"]),
            pairs=tuple(from_json(PairedQuality, value) for value in facts["pairs"]),
            slices=tuple(from_json(Slice, value) for value in facts["slices"]),
            student=judged.arrays[STUDENT],
        )
    return _against_stored(context, files[STUDENT], before[TEACHER])


def _against_stored(context: Context, file: Path, teacher: Classes) -> _Again:
    """The student's answers now against the teacher's classes of then."""
    task, recipe = context.task, context.recipe
    test = task.test()

    def score(_: str, samples: Samples) -> NDArray[np.float32]:
        return scores(file, task, samples, threads=context.threads)

    student = answers(STUDENT, score(STUDENT, test), test.labels)
    reference = Answers(subject=TEACHER, classes=teacher)
    compared = compare_answers(
        (reference, student), test.labels, task.classes, groups=test.groups, seed=recipe.seed
    )
    slices: tuple[Slice, ...] = ()
    absent: tuple[str, ...] = ()
    if recipe.slices != "none":
        node, seed = recipe.slices, recipe.seed
        slices = all_slices(task, test, reference, student, node=node, seed=seed, scores=score)
        absent = absent_kinds(task, node, reference)
    return _Again(
        qualities=(compared.quality(TEACHER), compared.quality(STUDENT)),
        pairs=(compared.pair(TEACHER, STUDENT),),
        slices=slices,
        slices_absent={TEACHER: absent} if absent else {},
        student=student.classes,
    )


def _notes(then: Report, loaded: LoadedRecipe, *, teacher: Path | None) -> tuple[str, ...]:
    notes = [f"Measured again: the run itself is of {then.created_at}."]
    if loaded.digest != then.recipe_digest:
        notes.append(
            "The recipe reads differently than it did then (another version of distil, or "
            "overrides that its report does not hold); budgets are those of its text."
        )
    if teacher is None and measurement_of(then, TEACHER) is not None:
        notes.append(
            "The teacher's file is not in the cache: its answers are the run's, its time is "
            "missing. Give it with --teacher."
        )
    return tuple(notes)


def _differing(then: Report, here: Environment) -> tuple[str, ...]:
    """onnxruntime 1.31.0 -> 1.32.0; only what decides answers or times."""
    if then.measured is None:
        return ()
    there = then.measured.environment
    pairs = [
        ("CPU", there.cpu_model, here.cpu_model),
        ("CPU flags", " ".join(there.cpu_flags), " ".join(here.cpu_flags)),
        ("allowed CPUs", str(there.allowed_cpus), str(here.allowed_cpus)),
        *(
            (name, there.versions.get(name, "absent"), here.versions.get(name, "absent"))
            for name in ("onnxruntime", "numpy")
        ),
    ]
    return tuple(f"{name} {old} -> {new}" for name, old, new in pairs if old != new)
