"""Time, memory and cold start of what a gate judges, each comparison in its own run of turns."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path

import numpy as np

from benchmarks.compare import compare
from benchmarks.environment import read_environment
from benchmarks.feeds import Inputs, random_inputs, read_shapes, unnamed
from benchmarks.measure import measure
from benchmarks.settings import BenchSettings
from benchmarks.values import ColdStart, Comparison, Measured, Measurement, Setting
from compress.errors import InputError
from compress.gate.gate_file import LoadedGate
from compress.gate.latency_rules import time_limit
from compress.gate.lookup import STUDENT, fallen_nodes, setting_of
from compress.recipe.budget_checks import P95_EPOCHS
from compress.recipe.budget_node import Budget
from compress.recipe.catalogue import METRICS, budget_limit
from compress.tasks.data import Task
from compress.values import ModelFacts
from exporters.artifact import open_artifact
from exporters.events import Event
from exporters.preprocess import file_takes_raw_samples

SAMPLES = 64
EPOCHS = 12
SEED = 0

OnEvent = Callable[[Event], None]


def timed_by(
    gate: LoadedGate,
    budgets: Sequence[Budget],
    files: Mapping[str, Path],
    *,
    digests: Mapping[str, ModelFacts],
    task: Task | None,
    tests: int | None,
    on_event: OnEvent,
) -> Measured:
    """Everything with a clock or a memory that these budgets speak of.

    Budgets on a ratio of times go on until their limits are met or violated, or until the last look
    of the test; absolute ones take a fixed number of epochs. tests: how many budgets on time share
    the level, default those that are given.
    """
    _check_same_work(budgets, files, gate)
    inputs = _inputs(gate, files[STUDENT], budgets, task)
    ratios = [b for b in budgets if METRICS[b.metric].timed and b.vs is not None]
    plain = [b for b in budgets if b not in ratios]
    tests = tests or max(1, sum(METRICS[b.metric].timed for b in budgets))
    measured = _plain(plain, files, inputs, on_event) if plain else None
    comparisons = [
        _compared(
            cell,
            files,
            inputs,
            tests,
            on_event,
            cpu_nodes=allowed_nodes(budgets, cell[0].on, measured),
        )
        for cell in _by_cell(ratios)
    ]
    if measured is None:
        measured = Measured(
            environment=read_environment(),
            measurements=tuple(_untimed(digests[name]) for name in files),
            comparisons=(),
            floor_ms=None,
            seed=SEED,
        )
    return dataclasses.replace(measured, comparisons=tuple(comparisons))


def _check_same_work(
    budgets: Sequence[Budget], files: Mapping[str, Path], gate: LoadedGate
) -> None:
    """InputError where one file has its preprocessing inside and another that it is held against
    has not: their inputs differ, and so does what they do."""
    raw = file_takes_raw_samples(files[STUDENT])
    for other in sorted({b.vs for b in budgets if b.vs is not None}):
        if file_takes_raw_samples(files[other]) != raw:
            first, second = (STUDENT, other) if raw else (other, STUDENT)
            raise InputError(
                f"the {first} takes raw samples and the {second} does not: they can't be timed "
                "on the same inputs",
                where=str(gate.path),
                cure="export both with the same `export.preprocess`, or hold time and memory "
                f"against no {other}",
            )


def _by_cell(budgets: Sequence[Budget]) -> list[list[Budget]]:
    """One run of turns answers every budget on the same reference and setting; it goes on until the
    last of them is answered."""
    cells: dict[tuple[str | None, Setting], list[Budget]] = {}
    for budget in budgets:
        cells.setdefault((budget.vs, setting_of(budget)), []).append(budget)
    return list(cells.values())


def _compared(
    budgets: Sequence[Budget],
    files: Mapping[str, Path],
    inputs: Inputs,
    tests: int,
    on_event: OnEvent,
    *,
    cpu_nodes: int,
) -> Comparison:
    reference, setting = budgets[0].vs, setting_of(budgets[0])
    assert reference is not None
    found = compare(
        files[reference],
        files[STUDENT],
        inputs=inputs,
        seed=SEED,
        device=setting.device,
        batch=setting.batch,
        threads=setting.threads,
        cpu_nodes=cpu_nodes,
        limit=[time_limit(budget_limit(budget)) for budget in budgets],
        tests=tests,
        on_event=on_event,
    )
    return dataclasses.replace(found, reference=reference, candidate=STUDENT)


def _plain(
    budgets: Sequence[Budget], files: Mapping[str, Path], inputs: Inputs, on_event: OnEvent
) -> Measured:
    """Absolute times, memory and cold start of the student and of what memory is compared with."""
    settings = {setting_of(b) for b in budgets if METRICS[b.metric].cell}
    wanted = {b.vs for b in budgets} - {None}
    names = [name for name in files if name in wanted] + [STUDENT]
    p95 = any(b.metric == "latency.p95" for b in budgets)
    devices = {setting.device for setting in settings}
    return measure(
        {name: files[name] for name in names},
        inputs=inputs,
        settings=BenchSettings(
            devices=tuple(sorted(devices)) or ("cpu",),
            batch=tuple(sorted({s.batch for s in settings})) or (1,),
            threads=tuple(sorted({s.threads for s in settings})) or (1,),
            epochs=P95_EPOCHS if p95 else EPOCHS,
            cpu_nodes=counted_nodes(budgets, devices),
        ),
        seed=SEED,
        on_event=on_event,
    )


def counted_nodes(budgets: Sequence[Budget], devices: Collection[str]) -> int:
    """How many nodes a GPU may leave to the CPU where models run by themselves: any number where a
    budget on them says what is too many, on every GPU that is timed, and none elsewhere."""
    judged = {budget.on for budget in budgets if budget.metric == "cpu_nodes"}
    return sys.maxsize if judged and judged >= set(devices) - {"cpu"} else 0


def allowed_nodes(budgets: Sequence[Budget], device: str, measured: Measured | None) -> int:
    """How many nodes of each model may run on the CPU while two are compared on a device: what a
    budget on them allows. A student with more has its verdict there, and is timed none the less; a
    reference with more than both is an error, for its time is that of copies."""
    judged = [b for b in budgets if b.metric == "cpu_nodes" and b.on == device]
    if not judged or measured is None:
        return 0
    student = next(m for m in measured.measurements if m.subject == STUDENT)
    fallen = [fallen_nodes(cell) or () for cell in student.cells if cell.setting.device == device]
    allowed = [int(budget_limit(budget).value) for budget in judged]
    return max([*allowed, *map(len, fallen)])


def _untimed(facts: ModelFacts) -> Measurement:
    """A file that was only compared: no cell, no cold start."""
    return Measurement(
        subject=facts.subject,
        digest=facts.digest,
        size_bytes=facts.size_bytes,
        cells=(),
        cold_start=ColdStart(session_ms=0.0, first_call_ms=0.0, samples=0),
    )


def _inputs(
    gate: LoadedGate, student: Path, budgets: Sequence[Budget], task: Task | None
) -> Inputs:
    feeds = gate.gate.feeds
    if task is not None and file_takes_raw_samples(student):
        return task.validation.inputs[:SAMPLES]
    if task is not None:
        return unnamed(task.collate(task.validation.inputs[:SAMPLES]))
    if feeds is not None and feeds.inputs is not None:
        return _read(gate.folder / feeds.inputs)
    shapes = [] if feeds is None else [f"{name}={dims}" for name, dims in feeds.shapes.items()]
    rows = max(budget.batch for budget in budgets)
    try:
        return unnamed(
            random_inputs(open_artifact(student), rows=rows, seed=SEED, shapes=read_shapes(shapes))
        )
    except InputError as error:
        cure = error.cure.replace("--shape ", "`feeds: {shapes: {..}}` with ", 1)
        raise InputError(error.what, where=error.where, cure=cure) from error


def _read(path: Path) -> Inputs:
    try:
        loaded = np.load(path, allow_pickle=False)
        if isinstance(loaded, np.ndarray):
            return loaded
        with loaded:
            return unnamed({name: loaded[name] for name in loaded.files})
    except (OSError, ValueError, EOFError) as error:
        cure = "write it with numpy.save, or numpy.savez with an array per input"
        raise InputError("is no array file that can be read", where=str(path), cure=cure) from error
