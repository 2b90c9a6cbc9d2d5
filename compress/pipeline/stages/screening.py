"""Untrained candidates: built, exported, stored in their scheme and timed beside the teacher."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from benchmarks.screening import Screen
from benchmarks.screening import Screened as Timed
from compress.pipeline.context import Context, versions_of
from compress.pipeline.graph import run_stages
from compress.pipeline.limits import Cell, Known, cell_of, judged_before_training, observed
from compress.pipeline.stage import Finished, Inputs, OnEvent, Stage, StageResult
from compress.pipeline.stages.quantizing import calibration_batches
from compress.pipeline.stages.teacher import TEACHER, TEACHER_FILE, has_file, teacher_stages
from compress.pipeline.stages.timed import timed_inputs
from compress.quantize.dynamic import quantize_dynamic
from compress.quantize.static import quantize_static
from compress.recipe.catalogue import METRICS
from compress.recipe.nodes import NoQuantize, QuantizeNode, StaticQuantize
from compress.search.predict import TABLE, Operator
from compress.search.screening import Screened
from compress.search.space import FLOAT, Plan
from compress.store.keys import Json
from compress.store.store import Store
from compress.students.build import build_student, student_code
from compress.students.counts import count_macs, count_parameters
from compress.tasks.views import as_inputs
from exporters.artifact import open_artifact
from exporters.atomic import write_json
from exporters.events import Event
from exporters.export import export

SCREENED_FILE = "screened.json"
CALIBRATION = 64  # samples: any ranges do for speed and size
TIMED_SAMPLES = 32


def scheme_node(context: Context, scheme: str) -> QuantizeNode:
    """The quantize node of a scheme. An int8 network is insisted on: its place in the race rests on
    the speed and size that it was seen to have; texts go by `auto`, which is dynamic int8."""
    node = context.recipe.quantize
    if scheme == FLOAT or isinstance(node, NoQuantize):
        return NoQuantize(kind="none")
    assert isinstance(node, StaticQuantize)
    return node if context.task.padding is not None else node.model_copy(update={"kind": "static"})


def planned(context: Context, plan: Plan) -> Context:
    """The context of a run whose student is this plan."""
    changes = {"student": plan.student, "quantize": scheme_node(context, plan.scheme)}
    return replace(context, recipe=context.recipe.model_copy(update=changes))


def slug(plan: Plan) -> str:
    """Its name as part of a stage's."""
    return re.sub(r"[^a-z0-9]+", "-", plan.name.lower()).strip("-")[:70]


def operators_of(module: nn.Module, example: Sequence[Tensor]) -> tuple[Operator, ...]:
    """Convolutions and products of one sample, by their shapes."""
    found: list[Operator] = []

    def note(layer: nn.Module, inputs: Any, output: Tensor) -> None:
        weight = layer.weight
        assert isinstance(weight, Tensor)
        groups = int(getattr(layer, "groups", 1))
        outputs = output.numel() // len(example[0])
        per_output = weight[0].numel()
        kind = "linear" if isinstance(layer, nn.Linear) else "conv"
        found.append(
            Operator(
                kind="depthwise" if groups > 1 else kind,
                macs=outputs * per_output,
                outputs=outputs,
                parameters=weight.numel(),
            )
        )

    hooks = [
        layer.register_forward_hook(note)
        for layer in module.modules()
        if isinstance(layer, nn.Linear | nn.Conv1d | nn.Conv2d)
    ]
    tables = [layer for layer in module.modules() if isinstance(layer, nn.Embedding)]
    try:
        with torch.no_grad():
            module.eval()(*example)
    finally:
        for hook in hooks:
            hook.remove()
    rows = sum(table.weight.numel() for table in tables)
    if rows:
        found.append(Operator(kind=TABLE, macs=0, outputs=0, parameters=rows))
    return tuple(found)


def as_if_trained(module: nn.Module) -> nn.Module:
    """The module with different numbers where a new one has equal ones: normalisation that does
    nothing, and biases of zero, are folded away or shared, and the file is smaller than later."""
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for name, tensor in [*module.named_parameters(), *module.named_buffers()]:
            if tensor.is_floating_point() and tensor.ndim == 1:
                shift = 0.1 * torch.rand(tensor.shape, generator=generator)
                tensor.add_(shift if name.endswith("var") else shift - 0.05)
    return module


@dataclass(slots=True)
class Screener:
    """Screens plans as stages of their own: a stopped search asks for none of them again."""

    context: Context
    teacher: Mapping[str, Finished]
    store: Store
    on_event: OnEvent
    _stack: ExitStack = field(default_factory=ExitStack)
    _screens: dict[tuple[str, int], Screen] = field(default_factory=dict)
    _operators: dict[Plan, tuple[Operator, ...]] = field(default_factory=dict)

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

    def operators(self, plan: Plan) -> tuple[Operator, ...]:
        """Its operators, without exporting it."""
        if plan not in self._operators:
            module = self._module(plan)
            task = self.context.task
            example = as_inputs(task, task.train.inputs[:1])
            self._operators[plan] = operators_of(module, example)
        return self._operators[plan]

    def screen(self, plan: Plan) -> Screened:
        """What the file of a plan takes of each budget."""
        stages = (*self._before(), self._stage(plan))
        name = stages[-1].name
        done = run_stages(stages, store=self.store, on_event=self._quiet)[name]
        facts: dict[str, Any] = done.json(SCREENED_FILE)
        timed = {tuple(entry["cell"]): Timed(**entry["timed"]) for entry in facts["timed"]}
        known = Known(
            timed=timed,
            size_bytes=facts["size_bytes"],
            parameters=facts["parameters"],
            macs=facts["macs"],
            teacher_bytes=self._teacher_bytes(),
        )
        first = timed[self.cells[0]]
        self.on_event(
            Event(
                "note",
                "search",
                f"{plan.name}: {first.p50_ms:.3g} ms, {1 / first.ratio:.3g}x, "
                f"{facts['size_bytes'] / 1024:.0f} KiB",
            )
        )
        return Screened(
            values={
                budget.id: observed(budget, known)
                for budget in self.context.recipe.budgets
                if judged_before_training(budget)
            },
            p50_ms=first.p50_ms,
            speedup=1 / first.ratio,
            size_bytes=known.size_bytes,
            parameters=known.parameters,
            macs=known.macs,
            seconds=done.entry.seconds,
        )

    def _stage(self, plan: Plan) -> Stage:
        context = planned(self.context, plan)
        recipe, cells = context.recipe, self.cells

        def parts(inputs: Inputs) -> Mapping[str, Json]:
            return {
                "student": recipe.student.model_dump(mode="json"),
                "code": student_code(recipe.student, folder=context.folder),
                "scheme": plan.scheme,
                "data": context.task.fingerprint,
                "cells": [list(cell) for cell in cells],
                "tokens": recipe.bench.tokens,
                "opset": recipe.export.opset,
                "machine": dict(context.machine),
                "versions": versions_of("torch", "onnx", "onnxscript", "onnxruntime"),
            }

        def compute(inputs: Inputs, work: Path, on_event: OnEvent) -> StageResult:
            began = time.monotonic()
            module = as_if_trained(self._module(plan))
            task = context.task
            samples = as_inputs(task, task.train.inputs[:2])
            path = work / "untrained.onnx"
            export(
                module,
                samples,
                path=path,
                opset=recipe.export.opset,
                input_names=task.input_names,
                open_axes=task.open_axes,
            )
            path = self._stored(context, path, work)
            reference = inputs.path(TEACHER, TEACHER_FILE) if has_file(context) else path
            timed = self._timed(path, reference)
            facts = {
                "size_bytes": open_artifact(path).size_bytes,
                "parameters": count_parameters(module),
                "macs": count_macs(module, *samples),
                "timed": [{"cell": list(c), "timed": asdict(one)} for c, one in timed.items()],
                "seconds": round(time.monotonic() - began, 3),
            }
            write_json(work / SCREENED_FILE, facts)
            return StageResult(files={SCREENED_FILE: work / SCREENED_FILE})

        needs = (f"{TEACHER}/{TEACHER_FILE}",) if has_file(context) else ()
        return Stage(
            name=f"screen-{slug(plan)}", version=1, parts=parts, compute=compute, needs=needs
        )

    def _stored(self, context: Context, path: Path, work: Path) -> Path:
        if isinstance(context.recipe.quantize, NoQuantize):
            return path
        flags = tuple(context.machine.get("cpu_flags", "").split())
        made = work / "untrained.int8.onnx"
        if context.task.padding is not None:
            quantize_dynamic(open_artifact(path), path=made, cpu_flags=flags)
        else:
            calibration = calibration_batches(context, CALIBRATION)
            quantize_static(
                open_artifact(path), path=made, calibration=calibration, cpu_flags=flags
            )
        return made

    def _timed(self, path: Path, reference: Path) -> dict[Cell, Timed]:
        found: dict[Cell, Timed] = {}
        for device, threads in dict.fromkeys((cell[0], cell[1]) for cell in self.cells):
            batches = [cell[2] for cell in self.cells if cell[:2] == (device, threads)]
            if (device, threads) not in self._screens:
                screen = Screen(
                    reference,
                    inputs=timed_inputs(self.context, TIMED_SAMPLES),
                    batches=batches,
                    threads=threads,
                    device=device,
                )
                self._screens[device, threads] = self._stack.enter_context(screen)
            measured = self._screens[device, threads].measure(path)
            found |= {(device, threads, batch): one for batch, one in measured.items()}
        return found

    def _module(self, plan: Plan) -> nn.Module:
        context = self.context
        return build_student(
            plan.student, folder=context.folder, seed=context.recipe.seed, task=context.task
        ).eval()

    def _before(self) -> tuple[Stage, ...]:
        return teacher_stages(self.context)[:1] if has_file(self.context) else ()

    def _teacher_bytes(self) -> int | None:
        if not has_file(self.context):
            return None
        return open_artifact(self.teacher[TEACHER].files[TEACHER_FILE]).size_bytes

    def _quiet(self, event: Event) -> None:
        if event.kind in ("progress", "wait"):
            self.on_event(event)
