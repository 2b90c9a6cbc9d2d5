"""`distil gate --measure`: runs what a gate file's budgets lack, and keeps it as a report.

Answers come from the task of a recipe or from stored predictions, time from fresh process pairs in
turns with the teacher or the baseline, contents from the files. No run of ours is needed.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from compress.errors import InputError
from compress.gate.baseline import BaselineState
from compress.gate.evidence import REPORT_NAME, Collected, empty_report
from compress.gate.gate_file import LoadedGate
from compress.gate.look import look_into
from compress.gate.lookup import BASELINE, STUDENT, TEACHER, cell_of, setting_of
from compress.recipe.catalogue import METRICS
from compress.recipe.nodes import Budget
from compress.report.serialise import SAMPLES_PATTERN, encode_report
from compress.values import Report, Verdict
from exporters.atomic import atomic_path, write_text
from exporters.events import Event

if TYPE_CHECKING:  # a gate on bytes alone loads neither torch nor onnxruntime
    from compress.pipeline.gate_answers import Answered
    from compress.tasks.data import Task

_ANSWERS = ("accuracy", "agreement", "negative_flip_rate")
_FROM_FILE = ("file_bytes", "params", "macs")

OnEvent = Callable[[Event], None]


def lacking(
    gate: LoadedGate,
    verdicts: Sequence[Verdict],
    collected: Collected,
    state: BaselineState | None,
) -> tuple[Budget, ...]:
    """The budgets that a measurement here can settle: unmeasured ones, and those whose stored
    numbers are of another machine while the baseline's file is at hand."""
    found = {verdict.budget: verdict for verdict in verdicts}
    wanted = []
    for budget in gate.budgets:
        verdict = found.get(budget.id)
        if verdict is None or budget.metric.startswith("parity."):
            continue
        stored = (
            verdict.status == "inconclusive"
            and budget.vs == BASELINE
            and METRICS[budget.metric].cell
            and not METRICS[budget.metric].timed
            and state is not None
            and state.has_model
            and not any(cell_of(r, BASELINE, setting_of(budget)) for r in collected.reports)
        )
        if verdict.missing == "measurement" or stored:
            wanted.append(budget)
    return tuple(wanted)


def without_kept(collected: Collected, gate: LoadedGate) -> Collected:
    """The evidence without what an earlier `--measure` found."""
    others = tuple(found for found in collected.evidence if found.path != _kept(gate))
    return dataclasses.replace(collected, evidence=others)


def _kept(gate: LoadedGate) -> Path:
    return gate.measured / REPORT_NAME


def measure_gate(
    gate: LoadedGate,
    budgets: Sequence[Budget],
    collected: Collected,
    state: BaselineState | None,
    *,
    cache: Path,
    created_at: str,
    data_folder: Path | None = None,
    tests: int | None = None,
    on_event: OnEvent | None = None,
) -> Report:
    """Measure what these budgets need, and keep it beside the gate file; the report that was kept.

    What an earlier `--measure` found of the same files stays. Raises InputError where the gate file
    names no candidate, teacher, data or shapes that a budget needs, and what measuring raises.
    """
    tell = on_event or (lambda event: None)
    files = _files(gate, budgets, state)
    earlier = next((e.report for e in collected.evidence if e.path == _kept(gate)), None)
    report = earlier or empty_report(files[STUDENT].stem)
    tell(Event("start", "gate", "reading the model files"))
    models = {name: look_into(path, name) for name, path in files.items()}
    kept = [facts for facts in report.models if facts.subject not in models]
    report = dataclasses.replace(report, created_at=created_at, models=(*models.values(), *kept))
    task = _task(gate, budgets, cache=cache, data_folder=data_folder, on_event=tell)
    if task is not None:
        report = dataclasses.replace(report, task=task.name)
    if any(b.metric in _ANSWERS for b in budgets):
        answered = _answers(gate, files, state, task, tell)
        report = _with_answers(report, answered)
        _keep_answers(gate, answered)
    clocked = [b for b in budgets if b.metric not in (*_ANSWERS, *_FROM_FILE)]
    if clocked:
        from compress.pipeline.gate_timing import timed_by

        # All of them: numbers of one report come from one machine, and share one level.
        cells = [b for b in gate.budgets if b.level != "off" and b.metric not in _ANSWERS]
        cells = [b for b in cells if b.metric not in _FROM_FILE and not b.metric.startswith("par")]
        cells = [b for b in cells if b.vs is None or b.vs in files]
        measured = timed_by(
            gate, cells, files, digests=models, task=task, tests=tests, on_event=tell
        )
        report = dataclasses.replace(report, measured=measured)
    _keep(gate, report)
    return report


def _files(
    gate: LoadedGate, budgets: Sequence[Budget], state: BaselineState | None
) -> dict[str, Path]:
    """Every file that is named and there; the candidate and what a budget needs must be."""
    if gate.candidate is None:
        cure = "write `candidate: student.onnx`, or give --candidate"
        raise InputError("names no model to measure", where=str(gate.path), cure=cure)
    files = {STUDENT: gate.candidate}
    wanted = {budget.vs for budget in budgets}
    if gate.teacher is not None and (gate.teacher.is_file() or TEACHER in wanted):
        files[TEACHER] = gate.teacher
    elif TEACHER in wanted and not _has_stored(gate, budgets):
        cure = "write `teacher: {onnx: teacher.onnx}`"
        raise InputError("a budget needs the teacher's file", where=str(gate.path), cure=cure)
    if state is not None and state.has_model and state.model is not None:
        files[BASELINE] = state.model
    return files


def _has_stored(gate: LoadedGate, budgets: Sequence[Budget]) -> bool:
    """Whether every budget against the teacher is about answers that a file holds."""
    stored = gate.gate.feeds is not None and gate.gate.feeds.predictions is not None
    return stored and all(b.metric in _ANSWERS for b in budgets if b.vs == TEACHER)


def _task(
    gate: LoadedGate,
    budgets: Sequence[Budget],
    *,
    cache: Path,
    data_folder: Path | None,
    on_event: OnEvent,
) -> Task | None:
    """The task of `feeds.task`; None where nothing to measure needs samples."""
    feeds = gate.gate.feeds
    if feeds is None or feeds.task is None or all(b.metric in _FROM_FILE for b in budgets):
        return None
    from compress.recipe.load import load_recipe
    from compress.tasks.build import build_task

    loaded = load_recipe(gate.folder / feeds.task)
    return build_task(
        loaded.recipe.task,
        folder=loaded.folder,
        seed=loaded.recipe.seed,
        cache=cache,
        data_folder=data_folder,
        on_event=on_event,
    )


def _answers(
    gate: LoadedGate,
    files: Mapping[str, Path],
    state: BaselineState | None,
    task: Task | None,
    on_event: OnEvent,
) -> Answered:
    from compress.pipeline.gate_answers import answered_by_file, answered_by_task

    on_event(Event("start", "gate", "answers on the test samples"))
    feeds = gate.gate.feeds
    if task is not None:
        return answered_by_task(task, files, state)
    if feeds is not None and feeds.predictions is not None:
        return answered_by_file(gate.folder / feeds.predictions)
    cure = "write `feeds: {task: recipe.yaml}` or `feeds: {predictions: predictions.npz}`"
    raise InputError("a budget on answers needs data", where=str(gate.path), cure=cure)


def _with_answers(report: Report, answered: Answered) -> Report:
    return dataclasses.replace(
        report,
        classes=answered.classes,
        data_fingerprint=answered.fingerprint,
        qualities=answered.qualities,
        pairs=answered.pairs,
        slices=answered.slices,
        notes=answered.notes,
    )


def _folder(gate: LoadedGate) -> Path:
    """Where measurements are kept: no file of it belongs into a commit."""
    folder = gate.measured
    folder.mkdir(parents=True, exist_ok=True)
    ignored = folder.parents[1] / ".gitignore"
    if not ignored.exists():
        write_text(ignored, "*\n")
    return folder


def _keep_answers(gate: LoadedGate, answered: Answered) -> None:
    """For a baseline that is made of them, and for a second look."""
    import numpy as np

    path = _folder(gate) / "predictions.npz"
    with atomic_path(path) as temporary, temporary.open("wb") as stream:
        np.savez_compressed(stream, **answered.arrays)  # type: ignore[arg-type]


def _keep(gate: LoadedGate, report: Report) -> None:
    """report.json last: it names the samples file, which is to be there by then."""
    folder = _folder(gate)
    encoded = encode_report(report)
    if encoded.samples is not None and encoded.samples_name is not None:
        write_text(folder / encoded.samples_name, encoded.samples)
    write_text(folder / REPORT_NAME, encoded.report)
    for stale in folder.glob(SAMPLES_PATTERN):
        if stale.name != encoded.samples_name:
            stale.unlink(missing_ok=True)
