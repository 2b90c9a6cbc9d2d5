"""Small networks that classify: random convolutions, and a head fitted to their features."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from exporters.artifact import open_artifact
from exporters.run import run_batches
from exporters.session import open_session
from exporters.values import OnnxArtifact

CLASSES, SIZE = 10, 12
Images = NDArray[np.float32]


@dataclass(frozen=True, kw_only=True)
class Case:
    """A float network, samples to calibrate on, and others with labels."""

    artifact: OnnxArtifact
    calibration: tuple[Images, ...]
    images: Images
    labels: NDArray[np.int64]
    float_convolutions: int  # thin stems, which stay in float


def residual_case(folder: Path) -> Case:
    """Normalisation, a thin stem over one channel, a residual block, mean, Gemm."""
    net = _Network(channels=1, seed=1)
    net.node("Sub", "images", net.weight("mean", np.float32(0.5)), out="centred")
    net.node("Div", "centred", net.weight("std", np.float32(0.25)), out="x")
    net.conv("x", "stem", 1, 16, kernel=3)
    net.conv("stem", "one", 16, 16, kernel=3)
    net.conv("one", "two", 16, 16, kernel=3, relu=False)
    net.node("Add", "two", "stem", out="sum")
    net.node("Relu", "sum", out="block")
    net.conv("block", "wide", 16, 32, kernel=3, stride=2)
    axes = net.weight("axes", np.array([2, 3], dtype=np.int64))
    net.node("ReduceMean", "wide", axes, out="features", keepdims=0)
    return net.case(folder / "residual.onnx", 32, float_convolutions=1)


def pooled_case(folder: Path) -> Case:
    """A wide stem over three channels, max pooling, concatenation, global pooling, Gemm."""
    net = _Network(channels=3, seed=2)
    net.conv("images", "stem", 3, 16, kernel=5)
    net.node("MaxPool", "stem", out="pooled", kernel_shape=[2, 2], strides=[2, 2])
    net.conv("pooled", "left", 16, 16, kernel=3)
    net.conv("pooled", "right", 16, 16, kernel=1)
    net.node("Concat", "left", "right", out="both", axis=1)
    net.node("GlobalAveragePool", "both", out="global")
    net.node("Flatten", "global", out="features")
    return net.case(folder / "pooled.onnx", 32, float_convolutions=0)


class _Network:
    def __init__(self, *, channels: int, seed: int) -> None:
        self.channels, self.rng = channels, np.random.default_rng(seed)
        self.nodes: list[onnx.NodeProto] = []
        self.weights: list[TensorProto] = []

    def weight(self, name: str, value: NDArray[np.generic] | np.generic) -> str:
        self.weights.append(numpy_helper.from_array(np.asarray(value), name))
        return name

    def node(self, kind: str, *inputs: str, out: str, **attributes: object) -> None:
        made = helper.make_node(kind, list(inputs), [out], name=f"{kind} {out}", **attributes)
        made.doc_string = "a note of the exporter " * 10
        self.nodes.append(made)

    def conv(
        self,
        source: str,
        out: str,
        channels_in: int,
        channels_out: int,
        *,
        kernel: int,
        stride: int = 1,
        relu: bool = True,
    ) -> None:
        fan_in = channels_in * kernel * kernel
        shape = (channels_out, channels_in, kernel, kernel)
        values = self.rng.normal(0, (2 / fan_in) ** 0.5, shape).astype(np.float32)
        weight = self.weight(f"layers.{out}.weight", values)
        bias = self.weight(f"layers.{out}.bias", self._random(channels_out, scale=0.1))
        before = f"{out}_linear" if relu else out
        pads, strides = [kernel // 2] * 4, [stride] * 2
        self.node("Conv", source, weight, bias, out=before, pads=pads, strides=strides, group=1)
        if relu:
            self.node("Relu", before, out=out)

    def case(self, path: Path, width: int, *, float_convolutions: int) -> Case:
        labels = self.rng.integers(0, CLASSES, 1200)
        prototypes = self.rng.random((CLASSES, self.channels, SIZE, SIZE))
        noise = self.rng.normal(0, 0.16, (len(labels), self.channels, SIZE, SIZE))
        images = np.clip(prototypes[labels] + noise, 0, 1).astype(np.float32)
        onnx.save(self._model("features", width), path)
        features = run_batches(open_session(path), images, batch=100)
        train = slice(0, 600)
        extended = np.c_[features, np.ones(len(features))].astype(np.float64)
        normal = extended[train].T @ extended[train] + 0.1 * np.eye(width + 1)
        head = np.linalg.solve(normal, extended[train].T @ np.eye(CLASSES)[labels[train]])
        weight = self.weight("head.weight", (10 * head[:-1].T).astype(np.float32))
        bias = self.weight("head.bias", (10 * head[-1]).astype(np.float32))
        self.node("Gemm", "features", weight, bias, out="logits", transB=1)
        onnx.save(self._model("logits", CLASSES), path)
        return Case(
            artifact=open_artifact(path),
            calibration=tuple(images[start : start + 32] for start in range(0, 256, 32)),
            images=images[600:],
            labels=labels[600:],
            float_convolutions=float_convolutions,
        )

    def _random(self, *shape: int, scale: float) -> Images:
        return (self.rng.normal(0, scale, shape)).astype(np.float32)

    def _model(self, output: str, width: int) -> onnx.ModelProto:
        graph = helper.make_graph(
            self.nodes,
            "network",
            [_value("images", ["batch", self.channels, SIZE, SIZE])],
            [_value(output, ["batch", width])],
            self.weights,
        )
        opsets = [helper.make_opsetid("", 20)]
        return helper.make_model(graph, opset_imports=opsets, ir_version=10)


def _value(name: str, shape: list[str | int]) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
