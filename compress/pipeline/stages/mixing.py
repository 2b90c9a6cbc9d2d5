"""Which operators `auto` computes in int8: the search of `distil quantize`, as a decision."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from compress.metrics.fidelity import spearman, spread_rows
from compress.pipeline.context import Context, versions_of
from compress.pipeline.decisions import DECISION_FILE, write_decision
from compress.pipeline.stage import Inputs, OnEvent, Stage, StageResult
from compress.pipeline.stages.held_out import HeldOut, held_out, left_out, named
from compress.pipeline.stages.predicting import some
from compress.pipeline.stages.teacher import TEACHER, VALIDATION_FILE, embeddings_needed
from compress.pipeline.stages.timed import timed_inputs
from compress.quantize.auto import choose
from compress.quantize.choice import Choice, Wanted
from compress.quantize.feeds import Batch
from compress.quantize.fidelity import Fidelity, answers, fidelity
from compress.quantize.mixed import Plan
from compress.quantize.samples import Samples as Split
from compress.quantize.silence import quiet_quantization
from compress.quantize.static import observed
from compress.quantize.values import Tried
from compress.recipe.nodes import QuantizeNode, StaticQuantize
from compress.store.keys import Json
from compress.values import Decision
from exporters.artifact import open_artifact
from exporters.atomic import write_json
from exporters.values import OnnxArtifact

MIX_FILE = "mix.json"
_ALL = "static"  # all that has a static form: what is made where nothing is known to be better


def mix_of(name: str) -> str:
    """The stage that chooses for a quantize stage."""
    return f"choose-mix-to-{name}"


def mix_stage(
    context: Context,
    node: StaticQuantize,
    name: str,
    source: str,
    source_file: str,
    *,
    calibration: Iterable[Batch],
) -> Stage:
    """The plan of the fastest mix that holds the accuracy budget on validation, timed here.

    Where none is faster and accurate enough, or where it isn't asked (on a GPU, or with the float
    file pinned), all that has a static form: the choice of what is shipped says what that costs.
    """
    bench, flags = context.recipe.bench, tuple(context.machine.get("cpu_flags", "").split())
    judged_by = embeddings_needed(context)
    open_question = (
        bench.devices[0] == "cpu" and context.recipe.decisions.get("quantize") != "float32"
    )

    def parts(inputs: Inputs) -> Mapping[str, Json]:
        if not open_question:
            return {"asked": False}
        return {
            "samples": node.samples,
            **calibration_part(node),
            "max_drop": node.model_dump(mode="json")["max_drop"],
            "data": context.task.fingerprint,
            **left_out(context.task),
            "seed": context.recipe.seed,
            "batch": bench.batch[0],
            "threads": bench.threads[0],
            "tokens": bench.tokens,
            "machine": dict(context.machine),
            "versions": versions_of("onnx", "onnxruntime"),
        }

    def compute(inputs: Inputs, work: Path, on_event: OnEvent) -> StageResult:
        if not open_question:
            decision = Decision(
                question="mix", chosen=_ALL, reason="no mix was searched: speed isn't asked here"
            )
            return _result(work, decision, None)
        artifact = open_artifact(inputs.path(source, source_file))
        held, labels, keeps = _judges(
            context, artifact, inputs.path(TEACHER, VALIDATION_FILE) if judged_by else None
        )
        with (
            quiet_quantization(),
            tempfile.TemporaryDirectory(prefix="distil-mix-") as folder,
        ):
            scratch = Path(folder)
            found = observed(
                artifact, calibration, cpu_flags=flags, scratch=scratch, method=node.calibration,
                tell=on_event,
            )  # fmt: skip
            reference = answers(artifact.path, held, threads=context.threads)
            wanted = Wanted(
                judge=_by_file(keeps(reference), held, threads=context.threads),
                max_drop=node.max_drop,
                feeds=_served(context, artifact),
                threads=bench.threads[0],
                seed=context.recipe.seed,
            )
            choice = choose(
                found,
                artifact,
                Split(calibration=(), held_out=held, labels=labels),
                reference=reference,
                wanted=wanted,
                scratch=scratch,
                tell=on_event,
            )
        return _result(work, _decision(choice), choice.plan)

    needs = (f"{source}/{source_file}", *judged_by)
    return Stage(name=mix_of(name), version=5, parts=parts, compute=compute, needs=needs)


def calibration_part(node: QuantizeNode) -> Mapping[str, Json]:
    """For keys: how ranges are found, where not in the usual way."""
    if isinstance(node, StaticQuantize) and node.calibration != "minmax":
        return {"calibration": node.calibration}
    return {}


def read_plan(path: Path) -> Plan | None:
    """What a mix stage chose; None: all that has a static form."""
    value = json.loads(path.read_bytes())
    if value is None:
        return None
    return Plan(chain=tuple(value["chain"]), products=value["products"], tables=value["tables"])


def _result(work: Path, decision: Decision, plan: Plan | None) -> StageResult:
    write_json(work / MIX_FILE, None if plan is None else asdict(plan))
    files = {DECISION_FILE: write_decision(work, decision), MIX_FILE: work / MIX_FILE}
    return StageResult(files=files)


def _decision(choice: Choice) -> Decision:
    float_ms = next((one.float_ms for one in choice.tried), None)
    if choice.plan is None:
        reason = f"{choice.best}; all that has a static form is made, to tell what that costs"
    else:
        reason = "the fastest of those that keep the accuracy asked for, by a first look"
    return Decision(
        question="mix",
        chosen=_ALL if choice.plan is None else choice.name,
        reason=reason,
        evidence={
            "float_ms": float_ms,
            "tried": {one.name: _words(one) for one in choice.tried},
            "answers_that_depend_on_batch_mates": choice.batch_changes,
        },
    )


def _words(tried: Tried) -> str:
    lost = ""
    if tried.fidelity is not None:
        lost = f", loses {100 * tried.fidelity.drop:.2f} pp of {tried.fidelity.metric}"
    time = "not timed" if tried.time_ms is None else f"{tried.time_ms:.3g} ms"
    return f"{time}{lost}: {tried.outcome}"


Keeps = Callable[[NDArray[np.float64]], Callable[[NDArray[np.float64]], Fidelity]]


def _judges(
    context: Context, artifact: OnnxArtifact, embeddings: Path | None
) -> tuple[HeldOut, NDArray[np.int64] | None, Keeps]:
    """Validation in batches, its labels in their order, and what judges answers by those of the
    float file: accuracy, or Spearman's correlation with the teacher's embeddings."""
    task = context.task
    samples, taught = task.validation, None
    if embeddings is not None:
        taught = np.load(embeddings, allow_pickle=False)
        samples = some(samples, spread_rows(len(samples), len(taught)))
    held = held_out(task, samples, artifact)
    order = np.concatenate(held.rows)
    if taught is None:
        labels = samples.labels[order]

        def by_labels(reference: NDArray[np.float64]) -> Callable[..., Fidelity]:
            return lambda answered: fidelity(reference, answered, metric="accuracy", labels=labels)

        return held, labels, by_labels
    wanted = taught[order]

    def by_similarities(reference: NDArray[np.float64]) -> Callable[..., Fidelity]:
        bound = spearman(wanted, reference)
        return lambda answered: replace(
            fidelity(reference, answered, metric="cosine"),
            metric="spearman",
            value=spearman(wanted, np.nan_to_num(answered)),
            reference=bound,
        )

    return held, None, by_similarities


def _by_file(
    judge: Callable[[NDArray[np.float64]], Fidelity], held: HeldOut, *, threads: int
) -> Callable[[Path, bool], Fidelity]:
    """At every batch size that is served the file that is made of the choice is judged again."""
    return lambda path, depends: judge(answers(path, held, threads=threads))


def _served(context: Context, artifact: OnnxArtifact) -> Mapping[str, NDArray[Any]]:
    """One batch as it is served first: real samples, repeated where there are fewer."""
    batch = context.recipe.bench.batch[0]
    given = timed_inputs(context, batch)
    names = tuple(spec.name for spec in artifact.inputs)
    feeds = named(given if isinstance(given, Mapping) else {names[0]: given}, names)
    return {name: array[np.arange(batch) % len(array)] for name, array in feeds.items()}
