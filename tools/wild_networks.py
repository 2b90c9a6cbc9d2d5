"""The small model of the history in the wild: a convolutional classifier as an ONNX file.

Its convolutions are random and its last layer is fitted by least squares, so that a "training" with
another seed takes a second and answers as well, but not the same. Everything follows from seeds.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper
from wild_data import CLASSES, SIDE, samples

from exporters.run import run_batches
from exporters.session import open_session

CHANNELS = 48
LAYERS = 8

Array = NDArray[np.float32]
Score = Callable[[NDArray[np.int64], NDArray[np.int64]], float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    """kernels: (out, in, 3, 3) each; last: (features, classes); form: how the graph is written."""

    kernels: tuple[Array, ...]
    biases: tuple[Array, ...]
    last: Array
    offset: Array
    form: str = "plain"
    spoiled: int = LAYERS  # layers that are written in another form
    layout: int = 0  # seed of names and of the order of initialisers
    producer: str = "exporter"
    ballast: int = 0  # numbers that nothing reads


def train(seed: int, *, rows: int = 4000) -> Network:
    """Random convolutions and a fitted last layer."""
    rng = np.random.default_rng([2, seed])
    kernels, width = [], 1
    for _ in range(LAYERS):
        scale = np.sqrt(2 / (9 * width))
        kernels.append((rng.standard_normal((CHANNELS, width, 3, 3)) * scale).astype(np.float32))
        width = CHANNELS
    biases = tuple((0.1 * rng.standard_normal(CHANNELS)).astype(np.float32) for _ in kernels)
    features = CHANNELS * (SIDE // 4) ** 2 + SIDE * SIDE
    network = Network(
        kernels=tuple(kernels),
        biases=biases,
        last=np.zeros((features, features), dtype=np.float32),
        offset=np.zeros(features, dtype=np.float32),
    )
    pixels, labels = samples(rows, seed=100 + seed)
    found = _features(network, pixels)
    found = np.concatenate([found, np.ones((rows, 1), np.float32)], axis=1).astype(np.float64)
    wanted = np.eye(CLASSES)[labels]
    ridge = 30.0 * np.eye(found.shape[1])
    fitted = np.linalg.solve(found.T @ found + ridge, found.T @ wanted).astype(np.float32)
    return replace(network, last=fitted[:-1], offset=fitted[-1])


def worse(network: Network, *, drop: float, seed: int) -> Network:
    """Noise on the last layer, as much as costs `drop` of accuracy on fresh samples."""
    rng = np.random.default_rng([3, seed])
    noise = rng.standard_normal(network.last.shape).astype(np.float32) * network.last.std()
    return _weakest(
        lambda amount: replace(network, last=network.last + np.float32(amount) * noise),
        lambda found, labels: float((found == labels).mean()),
        network,
        drop,
    )


def worse_class(network: Network, *, drop: float, label: int) -> Network:
    """A lower offset of one class, so that its own accuracy falls by `drop`."""
    one = np.eye(CLASSES, dtype=np.float32)[label]
    return _weakest(
        lambda amount: replace(network, offset=network.offset - np.float32(amount) * one),
        lambda found, labels: float((found == labels)[labels == label].mean()),
        network,
        drop,
    )


def _weakest(
    change: Callable[[float], Network], score: Score, network: Network, drop: float
) -> Network:
    """The smallest change that costs `drop` on samples that the gate does not see."""
    pixels, labels = samples(8000, seed=7)
    before = score(predict(network, pixels), labels)
    low, high = 0.0, 1.0
    while before - score(predict(change(high), pixels), labels) < drop:
        high *= 2
    for _ in range(12):
        middle = (low + high) / 2
        reached = before - score(predict(change(middle), pixels), labels) >= drop
        low, high = (low, middle) if reached else (middle, high)
    return change(high)


def predict(network: Network, pixels: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Classes, by the same arithmetic as the file but in numpy from stored features."""
    key = id(network.kernels[0]), len(pixels), int(pixels[:8].sum())
    if key not in _KNOWN:
        _KNOWN.clear()
        _KNOWN[key] = _features(network, pixels)
    scores = _KNOWN[key] @ network.last + network.offset
    best: NDArray[np.int64] = scores.argmax(axis=1)
    return best


_KNOWN: dict[tuple[int, int, int], Array] = {}


def _features(network: Network, pixels: NDArray[np.uint8]) -> Array:
    size = network.last.shape[0]
    bare = replace(
        network,
        last=np.eye(size, dtype=np.float32),
        offset=np.zeros(size, dtype=np.float32),
        form="plain",
        ballast=0,
    )
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "features.onnx"
        path.write_bytes(to_onnx(bare).SerializeToString())
        inputs = pixels.astype(np.float32) / np.float32(255)
        found: Array = run_batches(open_session(path), inputs, batch=500)
    return found


def to_onnx(network: Network) -> ModelProto:
    """forms: plain; split-norm (a normalisation written as four operators, which nothing fuses);
    slow-relu (a comparison and a selection)."""
    names = _Names(network.layout)
    nodes: list[NodeProto] = []
    stored: dict[str, NDArray[np.generic]] = {}

    def keep(kind: str, value: NDArray[np.generic]) -> str:
        name = names(kind)
        stored[name] = value
        return name

    def node(op: str, inputs: list[str], **attributes: Any) -> str:
        out = names(op.lower())
        nodes.append(helper.make_node(op, inputs, [out], name=names("node"), **attributes))
        return out

    here = "image"
    for index, (kernel, bias) in enumerate(zip(network.kernels, network.biases, strict=True)):
        form = network.form if index < network.spoiled else "plain"
        weights = [here, keep("kernel", kernel)]
        if form != "split-norm":
            weights.append(keep("bias", bias))
        strides = [2, 2] if index in (2, 5) else [1, 1]
        here = node("Conv", weights, pads=[1] * 4, strides=strides)
        if form == "split-norm":
            shape = (1, CHANNELS, 1, 1)
            here = node("Sub", [here, keep("mean", -bias.reshape(shape) * 2)])
            here = node("Mul", [here, keep("scale", np.full(shape, 2, np.float32))])
            here = node("Div", [here, keep("spread", np.full(shape, 2, np.float32))])
            here = node("Sub", [here, keep("shift", bias.reshape(shape))])
        if form == "slow-relu":
            zero = keep("zero", np.zeros((), dtype=np.float32))
            here = node("Where", [node("Greater", [here, zero]), here, zero])
        else:
            here = node("Relu", [here])
    flat = node("Flatten", [here])
    whole = node("Concat", [flat, node("Flatten", ["image"])], axis=1)
    head = [whole, keep("last", network.last), keep("offset", network.offset)]
    nodes.append(helper.make_node("Gemm", head, ["scores"], name=names("node")))
    if network.ballast:
        keep("unused", np.random.default_rng(5).standard_normal(network.ballast, dtype=np.float32))
    value = helper.make_tensor_value_info
    order = list(stored)
    np.random.default_rng([4, network.layout]).shuffle(order)
    graph = helper.make_graph(
        nodes,
        f"student{network.layout}",
        [value("image", TensorProto.FLOAT, ["batch", 1, SIDE, SIDE])],
        [value("scores", TensorProto.FLOAT, ["batch", network.last.shape[1]])],
        [numpy_helper.from_array(stored[name], name) for name in order],
    )
    return helper.make_model(
        graph,
        opset_imports=[helper.make_opsetid("", 20)],
        ir_version=10,
        producer_name=network.producer,
    )


class _Names:
    """Fresh names; another layout gives other ones of about the same length."""

    def __init__(self, layout: int) -> None:
        self._rng = np.random.default_rng([6, layout])
        self._count = 0

    def __call__(self, kind: str) -> str:
        self._count += 1
        return f"{kind[:4]}{self._count:03d}_{int(self._rng.integers(1000, 10000))}"
