"""What each operator of the student costs when it alone is quantized, in the scheme of the run."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import assert_never

from compress.metrics.fidelity import spread_rows
from compress.pipeline.context import Context
from compress.pipeline.stage import Inputs, OnEvent
from compress.pipeline.stages.exporting import EXPORT, FLOAT_FILE
from compress.pipeline.stages.held_out import held_out
from compress.pipeline.stages.mixing import MIX_FILE, mix_of, read_plan
from compress.pipeline.stages.predicting import some
from compress.pipeline.stages.quantizing import FACTS, INT8_FILE, QUANTIZE, calibration_batches
from compress.pipeline.stages.rounding import WEIGHTS, start_of, training_of
from compress.quantize.alone import Alone, halves, planned, weight_only
from compress.quantize.kinds import as_they_come
from compress.quantize.mixed import Calibrated, Plan, everything
from compress.quantize.opened import inferred
from compress.quantize.qat import trainable
from compress.quantize.qat_alone import trained
from compress.quantize.sensitivity import LIMIT_S, MOST, Costs, node_costs
from compress.quantize.silence import quiet_quantization
from compress.quantize.static import observed
from compress.recipe.nodes import NoQuantize, QatQuantize, SchemeQuantize, StaticQuantize
from exporters.artifact import open_artifact
from exporters.values import OnnxArtifact
from exporters.weights import load_into, load_weights

SAMPLES = 256  # of validation, at most; calibration took none of them


def costs_need(context: Context) -> tuple[str, ...]:
    """The files that costs_of reads."""
    node, exported = context.recipe.quantize, f"{EXPORT}/{FLOAT_FILE}"
    match node:
        case NoQuantize():
            return ()
        case QatQuantize():
            start, weights = start_of(QUANTIZE), training_of(QUANTIZE)
            return (
                exported, f"{QUANTIZE}/{FACTS}", f"{start}/{INT8_FILE}", f"{weights}/{WEIGHTS}",
            )  # fmt: skip
        case StaticQuantize():
            return (exported, f"{mix_of(QUANTIZE)}/{MIX_FILE}")[: 1 + (node.kind == "auto")]
        case SchemeQuantize():
            return (exported,)
        case _:
            assert_never(node)


def costs_of(context: Context, inputs: Inputs, on_event: OnEvent) -> Costs | None:
    """By operator and by block, on validation samples; None where nothing is quantized."""
    if isinstance(context.recipe.quantize, NoQuantize):
        return None
    artifact = open_artifact(inputs.path(EXPORT, FLOAT_FILE))
    validation = context.task.validation
    samples = some(validation, spread_rows(len(validation), SAMPLES))
    with quiet_quantization(), tempfile.TemporaryDirectory(prefix="distil-alone-") as scratch:
        return node_costs(
            _alone(context, inputs, artifact, scratch=Path(scratch), on_event=on_event),
            held_out(context.task, samples, artifact),
            outputs=context.task.outputs,
            threads=context.threads,
            on_event=on_event,
        )


def cost_notes(found: Costs) -> tuple[str, ...]:
    """What the reader of the costs must know: which operators have none."""
    if found.told == found.operators:
        return ()
    return (
        f"What it costs to quantize an operator alone is told of {found.told} of "
        f"{found.operators}: of those with the largest weights, at most {MOST}, in "
        f"{LIMIT_S / 60:.0f} minutes.",
    )


def _alone(
    context: Context, inputs: Inputs, artifact: OnnxArtifact, *, scratch: Path, on_event: OnEvent
) -> Alone:
    node = context.recipe.quantize
    if isinstance(node, SchemeQuantize) and node.kind == "weight-only":
        return weight_only(inferred(artifact, scratch), bits=node.bits)
    if isinstance(node, SchemeQuantize) and (node.kind == "float16" or node.kind == "bfloat16"):
        return halves(inferred(artifact, scratch), node.kind)
    if isinstance(node, QatQuantize) and _training_was_kept(inputs):
        network = trainable(
            open_artifact(inputs.path(start_of(QUANTIZE), INT8_FILE)), original=artifact
        )
        load_into(network, load_weights(inputs.path(training_of(QUANTIZE), WEIGHTS)))
        return trained(network)
    return planned(*_rounded(context, inputs, artifact, scratch=scratch, on_event=on_event))


def _training_was_kept(inputs: Inputs) -> bool:
    facts = inputs.json(QUANTIZE, FACTS)
    return bool(facts["trained_accuracy"] >= facts["static_accuracy"])


def _rounded(
    context: Context, inputs: Inputs, artifact: OnnxArtifact, *, scratch: Path, on_event: OnEvent
) -> tuple[Calibrated, Plan]:
    """What was observed of the student, as its int8 file was made, and the plan of that file."""
    node, flags = context.recipe.quantize, context.machine.get("cpu_flags", "").split()
    device = context.recipe.bench.devices[0]
    assert not isinstance(node, NoQuantize)
    samples, model = calibration_batches(context, node.samples), inferred(artifact, scratch)
    if node.kind == "dynamic" or node.kind == "row":
        return as_they_come(
            artifact,
            model,
            samples,
            form=node.kind,
            cpu_flags=flags,
            device=device,
            scratch=scratch,
            tell=on_event,
        )
    found = observed(
        artifact,
        samples,
        cpu_flags=flags,
        device=device,
        scratch=scratch,
        method=node.calibration if isinstance(node, StaticQuantize) else "minmax",
        tell=on_event,
        model=model,
    )
    mix = read_plan(inputs.path(mix_of(QUANTIZE), MIX_FILE)) if node.kind == "auto" else None
    return found, everything(model) if mix is None else mix
