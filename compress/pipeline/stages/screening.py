"""Untrained candidates: built, exported, stored in their scheme and timed beside the teacher."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch

from benchmarks.screening import Screen
from benchmarks.screening import Screened as Timed
from benchmarks.values import Memory
from compress.errors import DistilError, InputError, Interrupted, MachineFailed, RuntimeMissing
from compress.pipeline.context import Context, versions_of
from compress.pipeline.inheriting import inherited
from compress.pipeline.limits import (
    Cell,
    Known,
    cell_of,
    judged_before_training,
    observed,
    on_memory,
)
from compress.pipeline.stage import Finished, Inputs, OnEvent, Stage, StageResult
from compress.pipeline.stage_runner import StageRunner
from compress.pipeline.stages.inheriting import PRUNE
from compress.pipeline.stages.inside import raw_dtype, write_inside
from compress.pipeline.stages.mixing import calibration_part
from compress.pipeline.stages.schemes import planned, slug
from compress.pipeline.stages.teacher import TEACHER, TEACHER_FILE, has_file, teacher_stages
from compress.pipeline.stages.timed import shipped_inputs
from compress.pipeline.stages.untrained import untrained, untrained_file
from compress.recipe.catalogue import METRICS
from compress.search.inherited import InheritedStructure
from compress.search.ledger import Screened, not_made
from compress.search.predict import Operator
from compress.search.shapes import operators_of
from compress.search.space import Plan, Structure
from compress.store.keys import Json
from compress.students.build import student_code
from compress.students.counts import count_macs, count_parameters
from compress.tasks.views import as_inputs
from exporters.artifact import open_artifact
from exporters.atomic import write_json
from exporters.events import Event

BUILDING, TIMING = "building and exporting", "timing candidates"
SCREENED_FILE = "screened.json"
TIMED_SAMPLES = 32
# What would stop any other candidate too.
OF_MACHINE = (Interrupted, RuntimeMissing, MachineFailed)


@dataclass(slots=True)
class Screener:
    """Screens plans as stages of their own: a stopped search asks for none of them again.

    worked_s: what those took that this process computed itself.
    """

    context: Context
    teacher: Mapping[str, Finished]
    runner: StageRunner
    on_event: OnEvent
    worked_s: float = 0.0
    _stack: ExitStack = field(default_factory=ExitStack)
    _screens: dict[tuple[str, int], Screen] = field(default_factory=dict)
    _reference: Path | None = None
    _teacher_memory: dict[Cell, Memory] = field(default_factory=dict)
    _operators: dict[tuple[Structure, int], tuple[Operator, ...]] = field(default_factory=dict)

    def __enter__(self) -> Screener:
        return self

    def __exit__(self, *about: object) -> None:
        self._stack.close()

    @property
    def cells(self) -> tuple[Cell, ...]:
        """What is timed: the first setting of `bench`, and those that budgets name."""
        bench = self.context.recipe.bench
        first = (bench.devices[0], bench.threads[0], bench.batch[0])
        named = [
            cell_of(budget)
            for budget in self.context.recipe.budgets
            if judged_before_training(budget) and METRICS[budget.metric].cell
        ]
        return tuple(dict.fromkeys([first, *named]))

    @property
    def remembered(self) -> tuple[Cell, ...]:
        """Whose memory is taken: those that budgets name."""
        budgets = filter(judged_before_training, self.context.recipe.budgets)
        return tuple(dict.fromkeys(cell_of(one) for one in budgets if on_memory(one)))

    def operators(self, plan: Plan) -> tuple[Operator, ...]:
        """Its operators, without exporting it; none where it can't be built."""
        if isinstance(plan.structure, InheritedStructure):
            return plan.structure.operators_at(plan.width)
        at = plan.structure, plan.width  # whatever it is stored in
        if at not in self._operators:
            task = self.context.task
            example = as_inputs(task, task.train.inputs[:1])
            try:
                with torch.device("meta"):  # hundreds are looked at: neither drawn nor computed
                    module = untrained(planned(self.context, plan))
                self._operators[at] = operators_of(module, example)
            except InputError:
                self._operators[at] = ()  # its screening says why
        return self._operators[at]

    def screen(self, plan: Plan) -> Screened:
        """What the file of a plan takes of each budget; why there is none, where it can't be made:
        others may do."""
        began = time.monotonic()
        try:
            return self._screened(plan)
        except OF_MACHINE:
            raise
        except DistilError as error:
            seconds = time.monotonic() - began
            self.worked_s += seconds
            self.on_event(Event("note", "search", f"{plan.name} can't be made: {error}"))
            return not_made(str(error), seconds=seconds)

    def _screened(self, plan: Plan) -> Screened:
        context, cut = inherited(
            planned(self.context, plan), runner=self.runner, on_event=self._quiet
        )
        stages = (*self.before(), self._stage(plan, context))
        name = stages[-1].name
        done = self.runner.run(stages, on_event=self._quiet)[name]
        facts: dict[str, Any] = done.json(SCREENED_FILE)
        cut_s = cut[PRUNE].entry.seconds if cut else 0.0
        seconds = cut_s + done.entry.seconds
        self.worked_s += sum(
            one.entry.seconds for one in (done, *cut.values()) if not one.record.hit
        )
        built_s = cut_s + facts["built_s"]
        timed = {tuple(entry["cell"]): Timed(**entry["timed"]) for entry in facts["timed"]}
        known = Known(
            timed=timed,
            memory={
                tuple(one["cell"]): (Memory(**one["candidate"]), Memory(**one["reference"]))
                for one in facts["memory"]
            },
            size_bytes=facts["size_bytes"],
            parameters=facts["parameters"],
            macs=facts["macs"],
            teacher_bytes=self._teacher_bytes(),
        )
        first = timed[self.cells[0]]
        # Without a teacher's file it ran beside some other candidate, which says nothing.
        speedup = 1 / first.ratio if has_file(self.context) else None
        over = "" if speedup is None else f"{speedup:.3g}x the teacher's speed, "
        said = f"{plan.name}: {first.p50_ms:.3g} ms, {over}{known.size_bytes / 1024:.0f} KiB"
        self.on_event(Event("note", "search", said))
        return Screened(
            values={
                budget.id: observed(budget, known)
                for budget in self.context.recipe.budgets
                if judged_before_training(budget)
            },
            p50_ms=first.p50_ms,
            speedup=speedup,
            size_bytes=known.size_bytes,
            parameters=known.parameters,
            macs=known.macs,
            seconds=seconds,
            parts={BUILDING: built_s, TIMING: max(0.0, seconds - built_s)},
        )

    def _stage(self, plan: Plan, context: Context) -> Stage:
        recipe, cells = context.recipe, self.cells
        device = recipe.bench.devices[0]

        def parts(inputs: Inputs) -> Mapping[str, Json]:
            return {
                **what_is_timed(context, cells),
                "memory": [list(cell) for cell in self.remembered],
                **({} if device == "cpu" else {"device": device}),
            }

        def compute(inputs: Inputs, work: Path, on_event: OnEvent) -> StageResult:
            began = time.monotonic()
            made, module = untrained_file(context, work)
            path = self.shipped(made, work)
            built_s = time.monotonic() - began
            reference = self.teacher_file() or path
            samples = as_inputs(context.task, context.task.train.inputs[:2])
            timed = self._timed(path, reference)
            facts = {
                "size_bytes": open_artifact(path).size_bytes,
                "parameters": count_parameters(module),
                "macs": count_macs(module, *samples),
                "timed": [{"cell": list(c), "timed": asdict(one)} for c, one in timed.items()],
                "memory": self._memory(path, reference),
                "built_s": round(built_s, 3),
            }
            write_json(work / SCREENED_FILE, facts)
            return StageResult(files={SCREENED_FILE: work / SCREENED_FILE})

        needs = (f"{TEACHER}/{TEACHER_FILE}",) if has_file(context) else ()
        return Stage(
            name=f"screen-{slug(plan)}", version=5, parts=parts, compute=compute, needs=needs
        )

    def _timed(self, path: Path, reference: Path) -> dict[Cell, Timed]:
        found: dict[Cell, Timed] = {}
        for device, threads in dict.fromkeys((cell[0], cell[1]) for cell in self.cells):
            batches = [cell[2] for cell in self.cells if cell[:2] == (device, threads)]
            if (device, threads) not in self._screens:
                screen = Screen(
                    reference,
                    inputs=shipped_inputs(self.context, TIMED_SAMPLES),
                    batches=batches,
                    threads=threads,
                    device=device,
                    cpu_nodes=self.context.recipe.bench.cpu_nodes,
                )
                self._screens[device, threads] = self._stack.enter_context(screen)
            measured = self._screens[device, threads].measure(path)
            found |= {(device, threads, batch): one for batch, one in measured.items()}
        return found

    def _memory(self, path: Path, reference: Path) -> list[dict[str, Any]]:
        found = []
        for cell in self.remembered:
            screen = self._screens[cell[:2]]
            if cell not in self._teacher_memory:
                self._teacher_memory[cell] = screen.memory(reference, batch=cell[2])
            own, other = screen.memory(path, batch=cell[2]), self._teacher_memory[cell]
            found.append({"cell": list(cell), "candidate": asdict(own), "reference": asdict(other)})
        return found

    def before(self) -> tuple[Stage, ...]:
        """The stage whose file candidates are timed beside; none where there is no such file."""
        return teacher_stages(self.context)[:1] if has_file(self.context) else ()

    def _teacher_bytes(self) -> int | None:
        path = self.teacher_file()
        return None if path is None else open_artifact(path).size_bytes

    def teacher_file(self) -> Path | None:
        """As a run would ship it; None where the teacher has no file."""
        if self._reference is None and has_file(self.context):
            scratch = tempfile.TemporaryDirectory(prefix="distil-screening-")
            folder = Path(self._stack.enter_context(scratch))
            self._reference = self.shipped(self.teacher[TEACHER].files[TEACHER_FILE], folder)
        return self._reference

    def shipped(self, path: Path, folder: Path) -> Path:
        """What a run would ship of a file, in this folder."""
        if self.context.recipe.export.preprocess != "inside":
            return path
        made = folder / f"{path.stem}.shipped.onnx"
        write_inside(self.context, path, made)
        return made

    def _quiet(self, event: Event) -> None:
        if event.kind in ("progress", "wait"):
            self.on_event(event)


def what_is_timed(context: Context, cells: Sequence[Cell]) -> dict[str, Json]:
    """The parts of a key that every timing of an untrained file has."""
    recipe = context.recipe
    return {
        "student": recipe.student.model_dump(mode="json"),
        "code": student_code(recipe.student, folder=context.folder),
        # What decides the file; samples and drops don't.
        "quantize": recipe.quantize.model_dump(mode="json", include={"kind", "bits"}),
        "data": context.task.fingerprint,
        "cells": [list(cell) for cell in cells],
        "tokens": recipe.bench.tokens,
        **calibration_part(recipe.quantize),
        "opset": recipe.export.opset,
        "inside": recipe.export.preprocess == "inside" and raw_dtype(context),
        "machine": dict(context.machine),
        "versions": versions_of("torch", "onnx", "onnxscript", "onnxruntime"),
    }
