"""Whether the integers that were trained are those that onnxruntime computes from the file."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray

from compress.quantize.qat import frozen_model
from compress.quantize.qat_network import QuantizedNetwork
from compress.quantize.qat_plan import Grid
from exporters.session import open_session
from exporters.values import OnnxArtifact

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

LEAST_AGREEMENT = 0.999
_BATCH = 64
_STEPS = 255
_LEAST = 1e-12


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreement:
    """How the file follows the module, over every rounded tensor and the output, on real samples.

    The output is in float; its step is 1/255 of its range. Parts in [0, 1]. equal: of the integers.
    """

    samples: int
    values: int
    within_one_step: float
    equal: float
    output_within_one_step: float
    largest_output_steps: float

    @property
    def holds(self) -> bool:
        """Of all values, and of the output alone."""
        return min(self.within_one_step, self.output_within_one_step) >= LEAST_AGREEMENT


def compare_integers(
    network: QuantizedNetwork, artifact: OnnxArtifact, inputs: NDArray[np.float32]
) -> Agreement:
    """The module against the file that `freeze` made of it. inputs: (n, ...), n >= 1.

    The output comes from the file itself, the integers from a copy that gives them as outputs too,
    which leaves its operators as they are fused.
    """
    near = equal = integers = 0
    theirs, ours = [], []
    grids = network.plan.activations
    with tempfile.TemporaryDirectory(prefix="distil-quantize-") as scratch:
        observed = _observed(network, Path(scratch) / "observed.onnx")
        shipped = open_session(artifact.path)
        feed = shipped.get_inputs()[0].name
        for start in range(0, len(inputs), _BATCH):
            batch = np.ascontiguousarray(inputs[start : start + _BATCH])
            theirs.append(shipped.run(None, {feed: batch})[0])
            found = dict(zip(grids, observed.run(list(grids), {feed: batch}), strict=True))
            with torch.no_grad():
                seen = network.observed(torch.from_numpy(batch))
            ours.append(seen[network.plan.output].numpy())
            for name, grid in grids.items():
                steps = np.abs(_less_zero_point(found[name], grid) - seen[name].numpy())
                integers += steps.size
                near += int(np.count_nonzero(steps <= 1))
                equal += int(np.count_nonzero(steps == 0))
    answered = np.concatenate(theirs)
    step = max(float(answered.max() - answered.min()) / _STEPS, _LEAST)
    apart = np.abs(answered - np.concatenate(ours)) / step
    close = int(np.count_nonzero(apart <= 1))
    return Agreement(
        samples=len(inputs),
        values=integers + apart.size,
        within_one_step=(near + close) / (integers + apart.size),
        equal=equal / max(1, integers),
        output_within_one_step=close / apart.size,
        largest_output_steps=float(apart.max()),
    )


def _observed(network: QuantizedNetwork, path: Path) -> InferenceSession:
    import onnx

    model = frozen_model(network)
    for name in network.plan.activations:
        model.graph.output.append(onnx.ValueInfoProto(name=name))
    onnx.save(model, path)
    return open_session(path)


def _less_zero_point(found: NDArray[np.integer], grid: Grid) -> NDArray[np.int64]:
    return found.astype(np.int64) - (int(np.iinfo(found.dtype).min) - grid.low)
