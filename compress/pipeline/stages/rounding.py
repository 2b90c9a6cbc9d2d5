"""Quantization-aware training: static int8 first, its rounding trained, an int8 file again."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path

from compress.distill.launch import launch
from compress.errors import ExportError
from compress.pipeline.context import Context, versions_of
from compress.pipeline.stage import Finished, Inputs, OnEvent, Stage, StageResult
from compress.pipeline.stages.exporting import EXPORT, EXPORT_ON_LABELS, FLOAT_FILE
from compress.pipeline.stages.predicting import accuracy
from compress.pipeline.stages.quantizing import (
    FACTS,
    INT8_FILE,
    QUANTIZE,
    QUANTIZE_ON_LABELS,
    QUANTIZE_TEACHER,
    choose_stage,
    quantize_stage,
)
from compress.pipeline.stages.served import served_facts
from compress.pipeline.stages.teacher import TEACHER, TEACHER_FILE, has_file
from compress.pipeline.stages.training import CONTROL_SMOOTHING, training_spec
from compress.quantize import qat_job
from compress.quantize.qat import freeze, trainable
from compress.quantize.qat_check import LEAST_AGREEMENT, compare_integers
from compress.recipe.nodes import (
    Distill,
    KdLoss,
    LabelsLoss,
    LossNode,
    QatQuantize,
    StaticQuantize,
    Trackers,
)
from compress.store.keys import Json
from exporters.artifact import open_artifact
from exporters.atomic import write_json
from exporters.weights import load_into, load_weights

WEIGHTS = "weights.safetensors"


def start_of(name: str) -> str:
    """The stage whose static int8 file is trained further."""
    return f"{name}-start"


def training_of(name: str) -> str:
    """The stage that trains it."""
    return f"{name}-train"


def rounding_stages(context: Context, node: QatQuantize) -> tuple[Stage, ...]:
    """The student's int8 file, the choice, and the controls: a teacher is quantized without a
    training, and the student on labels has one on labels."""
    static = StaticQuantize(kind="static", samples=node.samples)
    taught = KdLoss(kind="kd", temperature=node.temperature, weight=1.0, label_weight=0.0)
    stages = [
        *_stages(context, node, QUANTIZE, source=EXPORT, loss=taught),
        choose_stage(context, node),
    ]
    controls = context.controls
    if controls.teacher_quantized and has_file(context):
        stages.append(quantize_stage(context, static, QUANTIZE_TEACHER, TEACHER, TEACHER_FILE))
    if controls.labels_only:
        labels = LabelsLoss(kind="labels", smoothing=CONTROL_SMOOTHING)
        stages += _stages(context, node, QUANTIZE_ON_LABELS, source=EXPORT_ON_LABELS, loss=labels)
    return tuple(stages)


def rounding_notes(finished: Mapping[str, Finished]) -> tuple[str, ...]:
    """What the training gave the student's int8 file; nothing where there was none."""
    if training_of(QUANTIZE) not in finished:
        return ()
    facts = finished[QUANTIZE].json(FACTS)
    before, after = facts["static_accuracy"], facts["trained_accuracy"]
    found = facts["agreement"]
    kept = "" if after >= before else "; the file without it is kept"
    return (
        f"Quantization-aware training of {_counted(facts['epochs'], 'epoch')}: int8 answers "
        f"{100 * after:.2f} % right on validation, {100 * before:.2f} % without it, the float "
        f"student {100 * facts['float32_accuracy']:.2f} %{kept}. onnxruntime computes the trained "
        f"integers within one step on {100 * found['within_one_step']:.3f} % of "
        f"{found['values']:,} values.",
    )


def _counted(count: int, what: str) -> str:
    return f"{count} {what}{'s'[: count != 1]}"


def _stages(
    context: Context, node: QatQuantize, name: str, *, source: str, loss: LossNode
) -> tuple[Stage, ...]:
    static = StaticQuantize(kind="static", samples=node.samples)
    return (
        quantize_stage(context, static, start_of(name), source, FLOAT_FILE),
        _train(context, node, name, source=source, loss=loss),
        _freeze(context, name, source=source, epochs=node.epochs),
    )


def _settings(context: Context, node: QatQuantize, loss: LossNode) -> Distill:
    """Short and gentle, whatever the student was trained with."""
    return context.recipe.distill.model_copy(
        update={
            "loss": loss,
            "epochs": node.epochs,
            "batch": node.batch or context.recipe.distill.batch,
            "optimizer": "sgd",
            "learning_rate": node.learning_rate,
            "warmup": 0.1,
            "schedule": "one-cycle",
            "clip": 1.0,
            "accumulate": 1,
            "patience": None,
            "mixup": None,
            "teach_by": "teacher",
            "precision": "float32",
            "trackers": Trackers(),
        }
    )


def _train(context: Context, node: QatQuantize, name: str, *, source: str, loss: LossNode) -> Stage:
    recipe, start = context.recipe, start_of(name)
    settings = _settings(context, node, loss)

    def parts(inputs: Inputs) -> Mapping[str, Json]:
        return {
            "distill": settings.model_dump(
                mode="json",
                exclude={"checkpoint_every", "views", "stored", "reuse_teacher_outputs"},
            ),
            "data": context.task.fingerprint,
            "task": recipe.task.model_dump(mode="json"),
            "seed": recipe.seed,
            "versions": versions_of("torch", "accelerate", "onnx", "onnxruntime"),
        }

    def compute(inputs: Inputs, work: Path, on_event: OnEvent) -> StageResult:
        inside = replace(context, recipe=recipe.model_copy(update={"distill": settings}))
        spec = training_spec(inside, work=work, precision="float32")
        original = str(inputs.path(source, FLOAT_FILE))
        spec = replace(
            spec,
            quantized=str(inputs.path(start, INT8_FILE)),
            original=original,
            teacher_file=None if isinstance(loss, LabelsLoss) else original,
        )
        launch(
            spec,
            processes=settings.processes,
            stage=training_of(name),
            script=Path(qat_job.__file__),
            on_event=on_event,
        )
        history = json.loads((work / "history.json").read_text())
        return StageResult(files={WEIGHTS: work / WEIGHTS}, meta={"history": history})

    needs = (f"{start}/{INT8_FILE}", f"{source}/{FLOAT_FILE}")
    return Stage(name=training_of(name), version=3, parts=parts, compute=compute, needs=needs)


def _freeze(context: Context, name: str, *, source: str, epochs: int) -> Stage:
    """The better of the trained file and the one that it started from, on validation."""
    start, trained = start_of(name), training_of(name)

    def parts(inputs: Inputs) -> Mapping[str, Json]:
        return {
            "data": context.task.fingerprint,
            "samples": context.recipe.export.samples,
            "batches": list(context.recipe.bench.batch),
            "cpu_flags": context.machine.get("cpu_flags", "").split(),
            "versions": versions_of("torch", "onnx", "onnxruntime"),
        }

    def compute(inputs: Inputs, work: Path, on_event: OnEvent) -> StageResult:
        task, path = context.task, work / INT8_FILE
        before = inputs.path(start, INT8_FILE)
        network = trainable(
            open_artifact(before), original=open_artifact(inputs.path(source, FLOAT_FILE))
        )
        load_into(network, load_weights(inputs.path(trained, WEIGHTS)))
        made = freeze(network, path=path)
        samples = task.prepare(task.validation.inputs[: context.recipe.export.samples])
        agreement = compare_integers(network, made, samples)
        if not agreement.holds:
            raise ExportError(
                f"onnxruntime's integers are those that were trained on "
                f"{100 * agreement.within_one_step:.3f} % of {agreement.values:,} values within "
                f"one step; {100 * LEAST_AGREEMENT} % are due",
                where=name,
                cure="write `quantize: {kind: static}`, and report the network",
            )
        facts = dict(inputs.json(start, FACTS))
        static_accuracy = facts["int8_accuracy"]
        reached = accuracy(path, task, task.validation, threads=context.threads)
        if reached < static_accuracy:
            shutil.copyfile(before, path)
        best = max(reached, static_accuracy)
        facts |= {
            **served_facts(path, context, known=best, embeddings=None),
            "int8_accuracy": best,
            "static_accuracy": static_accuracy,
            "trained_accuracy": reached,
            "agreement": asdict(agreement),
            "epochs": epochs,
        }
        write_json(work / FACTS, facts)
        return StageResult(files={INT8_FILE: path, FACTS: work / FACTS})

    needs = (
        f"{start}/{INT8_FILE}",
        f"{start}/{FACTS}",
        f"{source}/{FLOAT_FILE}",
        f"{trained}/{WEIGHTS}",
    )
    return Stage(name=name, version=3, parts=parts, compute=compute, needs=needs)
