"""The student as a part of its teacher: which block of channels is fast, and the pruning."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

from torch import nn

from compress.errors import InputError
from compress.pipeline.context import Context, versions_of
from compress.pipeline.decisions import DECISION_FILE, read_decision, write_decision
from compress.pipeline.stage import Inputs, OnEvent, Stage, StageResult
from compress.prune.block import measure_block
from compress.prune.saved import PLAN_FILE, WEIGHTS_FILE, save_pruned
from compress.recipe.inherited_nodes import PrunedStudent, TruncatedStudent
from compress.recipe.nodes import TeacherNode
from compress.store.keys import Json
from compress.students.inherited import inherit
from compress.teachers.build import build_teacher, teacher_digest
from compress.values import Decision
from exporters.atomic import write_json
from exporters.events import Event

BLOCK = "channel-block"
PRUNE = "prune"
FACTS = "facts.json"


def inheriting_stages(
    context: Context, node: PrunedStudent | TruncatedStudent, teacher: TeacherNode
) -> tuple[Stage, ...]:
    """What comes before the rest of a run whose student is a part of its teacher."""
    stages = [_prune_stage(context, node, teacher)]
    if isinstance(node, PrunedStudent) and node.round_to == "auto":
        stages.insert(0, _block_stage(context))
    return tuple(stages)


def _block_stage(context: Context) -> Stage:
    """Which multiples of channels are fast on this machine: a decision, as it rests on a clock."""

    def parts(inputs: Inputs) -> Mapping[str, Json]:
        return {"machine": dict(context.machine), "versions": versions_of("onnxruntime")}

    def compute(inputs: Inputs, work: Path, on_event: OnEvent) -> StageResult:
        conv, gemm = measure_block("conv"), measure_block("gemm")
        decision = Decision(
            question=BLOCK,
            chosen=f"{conv.channels} of convolutions, {gemm.channels} of products",
            reason=f"{conv.reason}; {gemm.reason}",
            evidence={"conv": asdict(conv), "gemm": asdict(gemm)},
        )
        return StageResult(files={DECISION_FILE: write_decision(work, decision)})

    return Stage(name=BLOCK, version=1, parts=parts, compute=compute)


def _prune_stage(
    context: Context, node: PrunedStudent | TruncatedStudent, teacher: TeacherNode
) -> Stage:
    recipe = context.recipe
    measured = isinstance(node, PrunedStudent) and node.round_to == "auto"

    def parts(inputs: Inputs) -> Mapping[str, Json]:
        return {
            "student": node.model_dump(mode="json"),
            "teacher": teacher_digest(teacher, folder=context.folder),
            "data": context.task.fingerprint,
            "seed": recipe.seed,
            "versions": versions_of("torch", "transformers"),
        }

    def compute(inputs: Inputs, work: Path, on_event: OnEvent) -> StageResult:
        module = build_teacher(
            teacher,
            folder=context.folder,
            threads=context.threads,
            classes=len(context.task.classes),
        ).module
        if module is None:
            raise InputError(
                "a function of a batch has no layers that a student could inherit",
                where="teacher.target",
                cure="name a factory of a torch module",
            )
        round_to = 1
        if measured:
            blocks = read_decision(inputs.path(BLOCK, DECISION_FILE)).evidence
            round_to = int(blocks["conv" if _convolves(module) else "gemm"]["channels"])
        elif isinstance(node, PrunedStudent):
            round_to = int(node.round_to)
        found = inherit(node, module, context.task, round_to=round_to, seed=recipe.seed)
        save_pruned(found, work)
        facts = {
            "round_to": round_to,
            "macs": [found.macs_before, found.macs],
            "parameters": [found.parameters_before, found.parameters],
            "kept": {name: list(pair) for name, pair in found.kept.items()},
            "notes": list(found.notes),
        }
        write_json(work / FACTS, facts)
        on_event(Event("note", PRUNE, _said(found.macs_before, found.macs, found.parameters)))
        for note in found.notes:
            on_event(Event("note", PRUNE, note))
        return StageResult(files={name: work / name for name in (PLAN_FILE, WEIGHTS_FILE, FACTS)})

    needs = (f"{BLOCK}/{DECISION_FILE}",) if measured else ()
    return Stage(name=PRUNE, version=3, parts=parts, compute=compute, needs=needs)


def _said(before: int, after: int, parameters: int) -> str:
    share = 100 * after / before if before else 100.0
    return (
        f"keeps {share:.0f} % of the teacher's multiply-accumulates ({after / 1e6:.3g} M), in "
        f"{parameters / 1e6:.3g} M parameters"
    )


def _convolves(module: nn.Module) -> bool:
    """Whether most layers with weights are convolutions."""
    kinds = [isinstance(part, (nn.Conv1d, nn.Conv2d, nn.Conv3d)) for part in module.modules()]
    return 2 * sum(kinds) > sum(isinstance(part, nn.Linear) for part in module.modules())
