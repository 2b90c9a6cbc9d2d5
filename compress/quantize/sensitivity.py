"""What each operator costs when it alone is computed in int8: where a quantized model loses."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from compress.errors import DistilError
from compress.metrics.scores import probabilities
from compress.quantize.mixed import Plan, applied
from compress.quantize.operators import tail, thin_stems
from compress.quantize.silence import quiet_quantization
from compress.quantize.static import observed
from compress.values import NodeCost
from exporters.events import Event
from exporters.run import run_batches
from exporters.session import open_session
from exporters.values import OnnxArtifact

if TYPE_CHECKING:
    from onnx import ModelProto

_PRODUCTS = ("Conv", "ConvTranspose", "Gemm", "MatMul")
_BATCH = 64
_LEAST = 1e-12


def node_costs(
    artifact: OnnxArtifact,
    *,
    calibration: Iterable[NDArray[np.float32]],
    held_out: NDArray[np.float32],
    cpu_flags: Collection[str],
    most: int = 64,
    threads: int = 1,
    on_event: Callable[[Event], None] | None = None,
) -> tuple[NodeCost, ...]:
    """Every convolution and matrix product in int8 on its own, and every block of them together,
    the most costly first. A block is what shares the path of a module above its own.

    held_out: (n, ...) samples that calibrated nothing, the same for all. Of more than `most`
    operators those with the largest weights. Costs don't add up: errors of two operators may cancel
    or grow. Raises InputError as quantize_static.
    """
    tell = on_event or (lambda event: None)
    found = []
    with quiet_quantization(), tempfile.TemporaryDirectory(prefix="distil-costs-") as scratch:
        folder = Path(scratch)
        calibrated = observed(artifact, calibration, cpu_flags=cpu_flags, scratch=folder, tell=tell)
        alone = {product.node for product in calibrated.products}
        names = _candidates(calibrated.model, most)
        reference = _answers(artifact.path, held_out, threads=threads)
        groups = [
            *((operator, label, (name,)) for name, operator, label in names),
            *(("block", block, inside) for block, inside in blocks_of(names).items()),
        ]
        for place, (operator, label, inside) in enumerate(groups):
            plan = Plan(
                products={name: "static" for name in inside if name in alone},
                chain=tuple(name for name in inside if name not in alone),
                tables=False,
            )
            try:
                trial = applied(calibrated, plan)
            except DistilError:
                continue  # an operator that the quantizer refuses has no cost to tell
            path = folder / "trial.onnx"
            path.write_bytes(trial.SerializeToString())
            answered = _answers(path, held_out, threads=threads)
            cost = _cost(label, operator, reference, answered)
            found.append(replace(cost, operators=len(inside)))
            tell(Event("progress", "quantize", "one operator at a time", (place + 1) / len(groups)))
    found.sort(key=lambda cost: -cost.loss)
    return tuple(found)


def _candidates(model: ModelProto, most: int) -> list[tuple[str, str, str]]:
    """Name of the node, operator, and the name that a reader knows: its weight's."""
    sizes = {tensor.name: int(np.prod(tensor.dims)) for tensor in model.graph.initializer}
    skipped = {*thin_stems(model), *tail(model)}
    found = []
    for node in model.graph.node:
        if node.op_type not in _PRODUCTS or node.name in skipped:
            continue
        weights = [name for name in node.input if name in sizes]
        size = max((sizes[name] for name in weights), default=0)
        found.append((size, node.name, node.op_type, weights[0] if weights else node.output[0]))
    kept = sorted(found, key=lambda entry: -entry[0])[:most]
    return [(name, operator, label) for _, name, operator, label in kept]


def blocks_of(names: Sequence[tuple[str, str, str]]) -> dict[str, tuple[str, ...]]:
    """Path of a block -> names of its nodes, in order; names: (node, operator, weight) as above.

    features.3.conv1.weight is of the block features.3. A block has two operators or more, and not
    all that there are: that one is the whole quantized file.
    """
    found: dict[str, list[str]] = {}
    for name, _, label in names:
        path = label.split(".")[:-2]
        if path:
            found.setdefault(".".join(path), []).append(name)
    return {block: tuple(inside) for block, inside in found.items() if 1 < len(inside) < len(names)}


def _answers(path: Path, samples: NDArray[np.float32], *, threads: int) -> NDArray[np.float64]:
    session = open_session(path, threads=threads)
    scores = run_batches(session, samples, batch=_BATCH)
    return probabilities(scores.reshape(len(samples), -1))


def _cost(
    label: str, operator: str, reference: NDArray[np.float64], answered: NDArray[np.float64]
) -> NodeCost:
    logs = np.log(np.maximum(reference, _LEAST)) - np.log(np.maximum(answered, _LEAST))
    return NodeCost(
        node=label,
        operator=operator,
        loss=float((reference * logs).sum(axis=1).mean()),
        changed=float((reference.argmax(axis=1) != answered.argmax(axis=1)).mean()),
        samples=len(reference),
    )
