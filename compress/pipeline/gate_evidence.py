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
from compress.gate.baseline import BaselineState, with_baseline
from compress.gate.evidence import REPORT_NAME, Collected, empty_report
from compress.gate.gate_file import LoadedGate
from compress.gate.look import look_into
from compress.gate.lookup import BASELINE, STUDENT, TEACHER, cell_of, setting_of
from compress.pipeline.gate_needs import AnswerNeeds, answer_needs, on_answers, reference_of
from compress.recipe.catalogue import EXACT, METRICS
from compress.recipe.nodes import Budget, Slices
from compress.report.serialise import SAMPLES_PATTERN, encode_report
from compress.values import Report, Verdict
from exporters.atomic import atomic_path, write_text
from exporters.events import Event

if TYPE_CHECKING:  # a gate on bytes alone loads neither torch nor onnxruntime
    from compress.pipeline.gate_answers import Answered, TaskData

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
        if verdict is None or METRICS[budget.metric].source == "export":
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
    data = _task(gate, budgets, cache=cache, data_folder=data_folder, on_event=tell)
    if data is not None:
        report = dataclasses.replace(report, task=data.task.name)
    needs = answer_needs(gate.budgets, budgets)
    if needs.lacking:
        answered = _answers(gate, files, state, data, needs, tell)
        report = _with_answers(report, answered)
        if any(pair.reference == BASELINE for pair in report.pairs):
            report = with_baseline(report, state)  # so that another baseline makes them stale
        _keep_answers(gate, answered)
    if any(METRICS[b.metric].source == "process" for b in budgets):
        from compress.pipeline.gate_timing import timed_by

        # All of them: numbers of one report come from one machine, and share one level.
        run = [b for b in gate.budgets if METRICS[b.metric].source == "process"]
        run = [b for b in run if b.level != "off" and (b.vs is None or b.vs in files)]
        task = None if data is None else data.task
        measured = timed_by(gate, run, files, digests=models, task=task, tests=tests, on_event=tell)
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
    wanted = {reference_of(budget) for budget in budgets}
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
    return stored and all(on_answers(b) for b in budgets if reference_of(b) == TEACHER)


def _task(
    gate: LoadedGate,
    budgets: Sequence[Budget],
    *,
    cache: Path,
    data_folder: Path | None,
    on_event: OnEvent,
) -> TaskData | None:
    """The task of `feeds.task`; None where nothing to measure needs samples."""
    feeds = gate.gate.feeds
    if feeds is None or feeds.task is None or all(b.metric in EXACT for b in budgets):
        return None
    from compress.pipeline.gate_answers import TaskData
    from compress.recipe.load import load_recipe
    from compress.tasks.build import build_task

    loaded = load_recipe(gate.folder / feeds.task)
    recipe = loaded.recipe
    task = build_task(
        recipe.task,
        folder=loaded.folder,
        seed=recipe.seed,
        cache=cache,
        data_folder=data_folder,
        on_event=on_event,
    )
    # A budget per slice asks for them, whatever a run of the recipe leaves out.
    slices = Slices() if recipe.slices == "none" else recipe.slices
    return TaskData(task=task, slices=slices, seed=recipe.seed)


def _answers(
    gate: LoadedGate,
    files: Mapping[str, Path],
    state: BaselineState | None,
    data: TaskData | None,
    needs: AnswerNeeds,
    on_event: OnEvent,
) -> Answered:
    from compress.pipeline.gate_answers import answered_by_task
    from compress.pipeline.gate_predictions import answered_by_file

    on_event(Event("start", "gate", "answers on the test samples"))
    feeds = gate.gate.feeds
    if data is not None:
        return answered_by_task(data, files, state, needs)
    if feeds is not None and feeds.predictions is not None:
        return answered_by_file(gate.folder / feeds.predictions, needs)
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
        slices_absent=answered.slices_absent,
        fidelities=answered.fidelities,
        answered_on=answered.answered_on,
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
