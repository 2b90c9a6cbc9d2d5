"""Quantization-aware training: prepare, train as any other module, freeze.

    network = prepare(open_artifact("student.onnx"), calibration=batches, cpu_flags=cpu_flags())
    trained = distill(float_student, network, data=data, settings={"learning_rate": 0.01})
    freeze(trained.module, path="student.int8.onnx")

A static int8 file says what is rounded and how; the module rounds in the very same places, so that
the integers it learns are those that onnxruntime computes.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Collection, Iterable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from torch import nn

from compress.errors import InputError
from compress.quantize.compact import compact
from compress.quantize.qat_network import QuantizedNetwork
from compress.quantize.qat_plan import plan_of, unshared
from compress.quantize.static import quantize_static
from exporters.artifact import open_artifact
from exporters.atomic import atomic_path
from exporters.values import OnnxArtifact

if TYPE_CHECKING:
    from onnx import ModelProto


def prepare(
    artifact: OnnxArtifact,
    *,
    calibration: Iterable[NDArray[np.float32]],
    cpu_flags: Collection[str],
) -> QuantizedNetwork:
    """A float file as a module that rounds as its static int8 file does, ready to be trained.

    Arguments and errors as of quantize_static, which gives the ranges to start from; DistilError
    too where an operator lets no gradient through.
    """
    with tempfile.TemporaryDirectory(prefix="distil-quantize-") as scratch:
        made = quantize_static(
            artifact,
            path=Path(scratch) / "int8.onnx",
            calibration=calibration,
            cpu_flags=cpu_flags,
        )
        return trainable(made, original=artifact)


def trainable(quantized: OnnxArtifact, *, original: OnnxArtifact) -> QuantizedNetwork:
    """A static int8 file (QDQ) as a module; `original` is the float file that it was made of.

    Raises DistilError where its rounding can't be trained.
    """
    import onnx
    from onnx import numpy_helper

    model = unshared(onnx.load(quantized.path))
    floats = {
        tensor.name: numpy_helper.to_array(tensor)
        for tensor in onnx.load(original.path).graph.initializer
        if tensor.data_type == onnx.TensorProto.FLOAT
    }
    return QuantizedNetwork(plan_of(model), model=model.SerializeToString(), original=floats)


def freeze(network: nn.Module, *, path: str | os.PathLike[str]) -> OnnxArtifact:
    """Write what `prepare` made and a training changed as an int8 file; equal weights, equal bytes.

    Raises InputError for another module, DistilError (disk).
    """
    if not isinstance(network, QuantizedNetwork):
        raise InputError(
            f"is a {type(network).__name__}, not what `prepare` made",
            where="freeze(network)",
            cure="give the trained module itself",
        )
    model = frozen_model(network)
    compact(model)
    with atomic_path(path) as temporary:
        temporary.write_bytes(model.SerializeToString(deterministic=True))
        made = open_artifact(temporary)
    return replace(made, path=Path(os.path.abspath(path)))


def frozen_model(network: QuantizedNetwork) -> ModelProto:
    """The file as it is before it is made smaller: tensors have the names that the plan knows."""
    import onnx
    from onnx import numpy_helper

    model = onnx.load_from_string(network.model)
    graph, changed = model.graph, network.tensors()
    for tensor in graph.initializer:
        if tensor.name in changed:
            tensor.CopyFrom(numpy_helper.from_array(changed[tensor.name], tensor.name))
    scales = network.scales()
    for node in graph.node:
        name = node.input[0] if node.op_type == "DequantizeLinear" else ""
        if name in network.plan.biases:
            scale = network.bias_scale(name, scales).cpu().numpy()
            node.input[1] = f"{name}.scale"
            graph.initializer.append(numpy_helper.from_array(scale, node.input[1]))
    return model
