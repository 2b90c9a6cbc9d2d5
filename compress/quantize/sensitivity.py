"""What each operator costs when it alone is quantized: where a quantized model loses."""

from __future__ import annotations

import re
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from compress.errors import DistilError
from compress.metrics.scores import probabilities
from compress.quantize.alone import Alone, Operator
from compress.quantize.fidelity import answers, cosines, nearest
from compress.quantize.silence import quiet_quantization
from compress.values import NodeCost
from exporters.events import Event

if TYPE_CHECKING:
    from onnx import ModelProto

MOST = 64  # operators: those with the largest weights
LIMIT_S = 300.0
_LEAST = 1e-12
_ONE_OF_MANY = re.compile(r"\d$")  # layer.3, layer3, layer_3

Outputs = Literal["classes", "embeddings"]
Batches = Sequence[Mapping[str, NDArray[Any]]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Costs:
    """costs: the most costly first. operators: how many could be quantized alone; told: of them,
    those that the limits left room for."""

    costs: tuple[NodeCost, ...]
    operators: int
    told: int


def node_costs(
    alone: Alone,
    held_out: Batches,
    *,
    outputs: Outputs = "classes",
    most: int = MOST,
    limit_s: float = LIMIT_S,
    threads: int = 1,
    clock_s: Callable[[], float] = time.monotonic,
    on_event: Callable[[Event], None] | None = None,
) -> Costs:
    """Every block of operators quantized on its own, then every operator, against none.

    held_out: the same samples for all, which calibrated nothing, by input name. Of more than
    `most` operators those with the largest weights; no further one is begun after limit_s seconds.
    Costs don't add up: errors of two operators may cancel or grow.
    """
    tell = on_event or (lambda event: None)
    largest = sorted(alone.operators, key=lambda one: -one.weights)[:most]
    groups: list[tuple[str, str, tuple[str, ...]]] = [
        *(("block", block, inside) for block, inside in blocks_of(alone.operators).items()),
        *((one.kind, one.label, (one.node,)) for one in largest),
    ]
    found: list[NodeCost] = []
    refused, begun_s = 0, clock_s()
    with quiet_quantization(), tempfile.TemporaryDirectory(prefix="distil-costs-") as scratch:
        path = Path(scratch) / "trial.onnx"
        reference = _answers(alone.made(()), path, held_out, threads=threads)
        for place, (kind, label, inside) in enumerate(groups):
            if clock_s() - begun_s > limit_s:
                break
            try:
                trial = alone.made(inside)
            except DistilError:
                refused += 1  # an operator that the quantizer refuses has no cost to tell
                continue
            answered = _answers(trial, path, held_out, threads=threads)
            loss, changed = _lost(reference, answered, outputs)
            found.append(
                NodeCost(
                    node=label,
                    operator=kind,
                    loss=loss,
                    changed=changed,
                    samples=len(reference),
                    operators=len(inside),
                    outputs=outputs,
                )
            )
            tell(Event("progress", "quantize", "one operator at a time", (place + 1) / len(groups)))
    told = sum(cost.operators == 1 for cost in found)
    found.sort(key=lambda cost: -cost.loss)
    return Costs(costs=tuple(found), operators=len(alone.operators) - refused, told=told)


def blocks_of(operators: Iterable[Operator]) -> dict[str, tuple[str, ...]]:
    """Path of a block -> its nodes, in order, the outer blocks first.

    encoder.layer.3.output.dense.weight is of the block encoder.layer.3: a module whose name ends
    in a digit is one of several alike. features.conv1.weight has none above its own module, and is
    of what lies right above it. A block has two operators or more, not all that there are, and not
    the same as a block around it.
    """
    found: dict[str, list[str]] = {}
    every = tuple(operators)
    for one in every:
        path = one.label.split(".")[:-2]
        ends = [end for end in range(1, len(path) + 1) if _ONE_OF_MANY.search(path[end - 1])]
        for end in ends or ([len(path)] if path else []):
            found.setdefault(".".join(path[:end]), []).append(one.node)
    kept: dict[str, tuple[str, ...]] = {}
    for block in sorted(found, key=lambda path: path.count(".")):
        inside = tuple(found[block])
        if 1 < len(inside) < len(every) and inside not in kept.values():
            kept[block] = inside
    return kept


def _answers(
    model: ModelProto, path: Path, held_out: Batches, *, threads: int
) -> NDArray[np.float64]:
    path.write_bytes(model.SerializeToString())
    return answers(path, held_out, threads=threads)


def _lost(
    reference: NDArray[np.float64], answered: NDArray[np.float64], outputs: Outputs
) -> tuple[float, float]:
    """(loss, changed), as NodeCost says them. reference, answered: (n, values)."""
    answered = np.nan_to_num(answered)
    if outputs == "embeddings":
        changed = nearest(reference) != nearest(answered)
        return float(1.0 - cosines(reference, answered).mean()), float(changed.mean())
    before, after = probabilities(reference), probabilities(answered)
    logs = np.log(np.maximum(before, _LEAST)) - np.log(np.maximum(after, _LEAST))
    changed = before.argmax(axis=1) != after.argmax(axis=1)
    return float((before * logs).sum(axis=1).mean()), float(changed.mean())
