"""From finished stages to the report and the facts of the manifest. No computation of its own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

from benchmarks.values import Measured
from compress.gate.bounds import budget_lines
from compress.gate.judge import judge
from compress.pipeline.context import Context, versions_of
from compress.pipeline.decisions import DECISION_FILE, read_decision
from compress.pipeline.manifest import Facts, Preprocessing
from compress.pipeline.missed import with_missed
from compress.pipeline.search import searched
from compress.pipeline.stage import Finished
from compress.pipeline.stages.exporting import EXPORT, FLOAT_FILE
from compress.pipeline.stages.inheriting import BLOCK
from compress.pipeline.stages.inside import INSIDE_FILE, inside_note, raw_dtype
from compress.pipeline.stages.judging import FLOAT_STUDENT, JUDGE, QUALITY_FILE, failed_notes
from compress.pipeline.stages.ledger import LEDGER, LEDGER_FILE
from compress.pipeline.stages.measuring import MEASURE, MEASURED_FILE
from compress.pipeline.stages.method import METHOD
from compress.pipeline.stages.mixing import mix_of
from compress.pipeline.stages.quantizing import CHOOSE, FACTS, INT8_FILE, QUANTIZE
from compress.pipeline.stages.rounding import rounding_notes
from compress.pipeline.stages.search import METHOD_FILE, SEARCH
from compress.pipeline.stages.served import served_notes
from compress.pipeline.stages.shipping import SHIP
from compress.pipeline.stages.teacher import TEACHER, TEACHER_FILE
from compress.pipeline.stages.teacher_files import output_notes
from compress.pipeline.stages.training import PRECISION, TRAIN, TRAIN_ON_LABELS
from compress.quantize.words import stored_as
from compress.recipe.load import LoadedRecipe
from compress.recipe.nodes import AudioFolderTask, Budget, NoQuantize, TaskNode
from compress.report.codec import from_json
from compress.report.search import search_notes
from compress.teachers.build import teacher_digest
from compress.values import (
    REPORT_VERSION,
    Added,
    Decision,
    ExportFacts,
    Fidelity,
    History,
    LedgerStep,
    NodeCost,
    PairedQuality,
    Quality,
    Report,
    SizeStep,
    Slice,
)

T = TypeVar("T")
TOKENIZER_FILE = "tokenizer.json"
_UNJUDGED: dict[str, Any] = {
    "class_counts": {},
    "qualities": [],
    "pairs": [],
    "slices": [],
    "added": [],
}
VERSIONS = ("distil", "torch", "onnx", "onnxruntime", "onnxscript", "accelerate", "numpy")


def assemble_report(
    loaded: LoadedRecipe, context: Context, finished: Mapping[str, Finished], *, created_at: str
) -> Report:
    """The report of a run, its budgets judged."""
    recipe, task = loaded.recipe, context.task
    facts: dict[str, Any] = finished[JUDGE].json(QUALITY_FILE) if JUDGE in finished else _UNJUDGED
    ledger: dict[str, Any] = finished[LEDGER].json(LEDGER_FILE)
    decisions = _decisions(finished)
    quantize = context.recipe.quantize
    stored = "float32" if isinstance(quantize, NoQuantize) else stored_as(quantize)
    fidelities = tuple(from_json(Fidelity, value) for value in facts.get("fidelities", ()))
    report = Report(
        version=REPORT_VERSION,
        name=recipe.name,
        created_at=created_at,
        recipe_digest=loaded.digest,
        recipe_text=loaded.text,
        recipe_overrides=loaded.overrides,
        task=task.name,
        classes=task.classes,
        class_counts={name: tuple(counts) for name, counts in facts["class_counts"].items()},
        data_fingerprint=task.fingerprint,
        seed=recipe.seed,
        versions=versions_of(*VERSIONS),
        stages=tuple(done.record for done in finished.values()),
        decisions=decisions,
        history=_history(finished.get(TRAIN)),
        control_history=_history(finished.get(TRAIN_ON_LABELS)),
        export=from_json(ExportFacts, finished[EXPORT].json("export.json")),
        sizes=_sizes(finished, stored=stored, embeddings=task.outputs == "embeddings"),
        measured=_measured(finished.get(MEASURE)),
        qualities=tuple(from_json(Quality, value) for value in facts["qualities"]),
        pairs=tuple(from_json(PairedQuality, value) for value in facts["pairs"]),
        verdicts=(),
        slices=tuple(from_json(Slice, value) for value in facts["slices"]),
        slice_drop=_slice_drop(recipe.budgets),
        added=tuple(from_json(Added, value) for value in facts["added"]),
        ledger=tuple(from_json(LedgerStep, value) for value in ledger["ledger"]),
        node_costs=tuple(from_json(NodeCost, value) for value in ledger["node_costs"]),
        notes=(
            *_notes(context, decisions, fidelities),
            *failed_notes(facts),
            *rounding_notes(finished),
            *served_notes(finished, quantize=QUANTIZE, facts_file=FACTS, choice=CHOOSE),
            *ledger["notes"],
            *_inside_notes(finished[SHIP]),
        ),
        search=searched(finished),
        fidelities=fidelities,
    )
    verdicts = judge(report, recipe.budgets)
    search = with_missed(report, recipe.budgets, verdicts)
    return replace(
        report,
        verdicts=verdicts,
        budget_lines=budget_lines(report, recipe.budgets),
        notes=(*report.notes, *search_notes(search, verdicts)),
        search=search,
    )


def facts_of(loaded: LoadedRecipe, context: Context, *, created_at: str) -> Facts:
    """What manifest.json says of the run, besides its files."""
    recipe, task = loaded.recipe, context.task
    teacher = recipe.teacher
    return Facts(
        name=recipe.name,
        created_at=created_at,
        recipe_digest=loaded.digest,
        teacher_digest=None if teacher is None else teacher_digest(teacher, folder=context.folder),
        data_digest=task.fingerprint,
        versions=versions_of(*VERSIONS),
        seeds={"run": recipe.seed},
        classes=task.classes,
        preprocessing=Preprocessing(
            input_name=task.input_name,
            shape=tuple(task.train.inputs.shape[1:]),
            scale=task.scale,
            resize="bilinear" if recipe.task.kind == "image-folder" else None,
            tokenizer=None if task.tokenizer is None else TOKENIZER_FILE,
            padding=task.padding,
            inside=raw_dtype(context) if recipe.export.preprocess == "inside" else None,
            **_heard(recipe.task),
        ),
        machine=dict(context.machine),
    )


def _heard(node: TaskNode) -> dict[str, Any]:
    """How recordings are read."""
    if not isinstance(node, AudioFolderTask):
        return {}
    return {"sample_rate": node.sample_rate, "seconds": node.seconds, "mels": node.bands}


def _slice_drop(budgets: tuple[Budget, ...]) -> float | None:
    """What slices are held against where the report shows them: the drop of the budget per slice,
    or of the one for all samples."""
    drops = [b for b in budgets if b.metric == "accuracy" and b.vs == "teacher" and b.max_drop]
    drops.sort(key=lambda budget: budget.per_slice is None)
    return drops[0].max_drop if drops else None


def _measured(done: Finished | None) -> Measured | None:
    """None on another machine than the target's."""
    return None if done is None else from_json(Measured, done.json(MEASURED_FILE))


def _history(done: Finished | None) -> History | None:
    return None if done is None else from_json(History, done.entry.meta["history"])


def _decisions(finished: Mapping[str, Finished]) -> tuple[Decision, ...]:
    order = (SEARCH, BLOCK, METHOD, PRECISION, mix_of(QUANTIZE), CHOOSE)
    made = [
        (order.index(name), finished[name].files[DECISION_FILE])
        for name in order
        if name in finished
    ]
    if SEARCH in finished and METHOD_FILE in finished[SEARCH].files:
        made.append((order.index(METHOD), finished[SEARCH].files[METHOD_FILE]))
    return tuple(read_decision(path) for _, path in sorted(made))


def _sizes(
    finished: Mapping[str, Finished], *, stored: str, embeddings: bool
) -> tuple[SizeStep, ...]:
    steps = []
    if TEACHER in finished and TEACHER_FILE in finished[TEACHER].files:
        accuracy = finished[TEACHER].json("facts.json")["validation_accuracy"]
        steps.append(_size("teacher", finished[TEACHER].files[TEACHER_FILE], accuracy))
    facts = finished[QUANTIZE].json(FACTS) if QUANTIZE in finished else {}
    float_accuracy = facts.get("float32_accuracy")
    if float_accuracy is None:
        float_accuracy = finished[TRAIN].entry.meta["history"]["epochs"][-1]["validation_accuracy"]
    if embeddings:
        float_accuracy = None
    steps.append(_size("student float32", finished[EXPORT].files[FLOAT_FILE], float_accuracy))
    if QUANTIZE in finished:
        path = finished[QUANTIZE].files[INT8_FILE]
        accuracy = None if embeddings else facts["int8_accuracy"]
        steps.append(_size(f"student {stored}", path, accuracy))
    return tuple(steps)


def _size(stage: str, path: Path, accuracy: float | None) -> SizeStep:
    # Files of the store are single files: exports have no external data.
    return SizeStep(stage=stage, size_bytes=path.stat().st_size, validation_accuracy=accuracy)


def _inside_notes(shipped: Finished) -> tuple[str, ...]:
    return (inside_note(shipped.json(INSIDE_FILE)),) if INSIDE_FILE in shipped.files else ()


def _notes(
    context: Context, decisions: tuple[Decision, ...], fidelities: tuple[Fidelity, ...]
) -> tuple[str, ...]:
    notes = list(context.task.notes)
    notes += [
        f"In float32 the student keeps the teacher's similarities at a Spearman correlation of "
        f"{found.spearman:.4f} ({found.spearman_low_bound:.4f} to {found.spearman_high_bound:.4f})."
        for found in fidelities
        if found.candidate == FLOAT_STUDENT
    ]
    notes += [
        f"The float file is shipped: {decision.reason}."
        for decision in decisions
        if decision.question == "quantize" and decision.chosen == "float32"
    ]
    notes += output_notes(context)
    return tuple(notes)
