"""Prepare, train, freeze: to integers that onnxruntime computes."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import numpy_helper
from small_graphs import conv_then_gemm
from torch import nn

from benchmarks.environment import read_environment
from compress.distill.api import distill
from compress.errors import DistilError, InputError
from compress.quantize.qat import freeze, prepare, trainable
from compress.quantize.qat_check import compare_integers
from compress.quantize.qat_network import QuantizedNetwork
from compress.quantize.scheme import scheme_for
from compress.quantize.static import quantize_static
from compress.tasks.data import ArrayData
from exporters.artifact import open_artifact
from exporters.export import export
from exporters.run import run_batches
from exporters.session import open_session
from exporters.values import OnnxArtifact

VNNI = ("avx2", "avx512_vnni")
FLAGS = {"vnni": VNNI, "avx2": ("avx2",), "arm": ("asimd",)}
# x86 without VNNI saturates at 8-bit weights, see scheme_for: it computes other integers.
BITS_HERE = scheme_for(read_environment().cpu_flags).weight_bits
EXACT_HERE = [name for name, flags in FLAGS.items() if scheme_for(flags).weight_bits <= BITS_HERE]
SHAPES = Path(__file__).parents[2] / "projects" / "shapes"


@pytest.fixture(scope="module")
def shapes() -> Iterator[ArrayData]:
    sys.path.insert(0, str(SHAPES))
    try:
        from project import data

        yield data()
    finally:
        sys.path.remove(str(SHAPES))
        sys.modules.pop("project", None)


class Residual(nn.Module):
    """A thin stem, a residual block with a depthwise convolution, pooling, a head."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv2d(1, 8, 3, 2, 1, bias=False), nn.BatchNorm2d(8), nn.ReLU()
        )
        self.block = nn.Sequential(
            nn.Conv2d(8, 16, 1, bias=False),
            nn.BatchNorm2d(16),
            nn.ReLU6(),
            nn.Conv2d(16, 16, 3, 1, 1, groups=16, bias=False),
            nn.BatchNorm2d(16),
            nn.ReLU(),
            nn.Conv2d(16, 8, 1, bias=False),
            nn.BatchNorm2d(8),
        )
        self.pool = nn.MaxPool2d(2)
        self.head = nn.Linear(8 * 16, 3)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        features = self.stem(images)
        features = self.pool(torch.relu(features + self.block(features)))
        return self.head(features.flatten(1))


@pytest.fixture(scope="module")
def student(shapes: ArrayData) -> nn.Module:
    torch.manual_seed(0)
    settings = {"epochs": 3, "batch": 32, "learning_rate": 0.05, "average": 0.9}
    return distill(None, Residual(), data=shapes, loss="labels", settings=settings).module


@pytest.fixture(scope="module")
def images(shapes: ArrayData) -> np.ndarray:
    return (shapes.test[0] / 255).astype(np.float32)


@pytest.fixture(scope="module")
def float_file(
    student: nn.Module, images: np.ndarray, tmp_path_factory: pytest.TempPathFactory
) -> OnnxArtifact:
    path = tmp_path_factory.mktemp("float") / "student.onnx"
    return export(student, torch.from_numpy(images[:2]), path=path)


def _calibration(shapes: ArrayData) -> list[np.ndarray]:
    inputs = (shapes.train[0][:128] / 255).astype(np.float32)
    return [inputs[:64], inputs[64:]]


def _train(network: nn.Module, student: nn.Module, shapes: ArrayData, epochs: int = 1) -> nn.Module:
    settings = {"epochs": epochs, "batch": 32, "learning_rate": 0.03, "average": 0.9, "clip": 1.0}
    return distill(student, network, data=shapes, settings=settings).module


def _content(path: Path) -> tuple[object, ...]:
    """Nodes, and tensors by value: the same floats can be stored in two ways."""
    graph = onnx.load(path).graph
    tensors = {t.name: numpy_helper.to_array(t) for t in graph.initializer}
    values = tuple((name, str(v.dtype), v.shape, v.tobytes()) for name, v in tensors.items())
    return tuple(node.SerializeToString(deterministic=True) for node in graph.node), values


@pytest.mark.parametrize("processor", FLAGS)
def test_what_is_prepared_and_frozen_untrained_is_the_static_file(
    processor: str, float_file: OnnxArtifact, shapes: ArrayData, tmp_path: Path
) -> None:
    static = quantize_static(
        float_file,
        path=tmp_path / "static.onnx",
        calibration=_calibration(shapes),
        cpu_flags=FLAGS[processor],
    )
    network = prepare(float_file, calibration=_calibration(shapes), cpu_flags=FLAGS[processor])
    frozen = freeze(network, path=tmp_path / "frozen.onnx")
    assert frozen.size_bytes == static.size_bytes
    assert _content(frozen.path) == _content(static.path)


def test_weights_start_from_those_of_the_float_file(
    float_file: OnnxArtifact, shapes: ArrayData
) -> None:
    """And not from the integers, which have forgotten what is below a step."""
    network = prepare(float_file, calibration=_calibration(shapes), cpu_flags=VNNI)
    stored = onnx.load(float_file.path).graph.initializer
    weights = {t.name: numpy_helper.to_array(t) for t in stored if len(t.dims) > 1}
    assert len(network.plan.weights) == 4
    for name in network.plan.weights:
        np.testing.assert_array_equal(
            getattr(network, network.keys[name]).detach(), weights[name.removesuffix("_quantized")]
        )


@pytest.mark.parametrize("processor", EXACT_HERE)
def test_the_trained_integers_are_what_onnxruntime_computes(
    processor: str,
    float_file: OnnxArtifact,
    student: nn.Module,
    shapes: ArrayData,
    images: np.ndarray,
    tmp_path: Path,
) -> None:
    """Within one step on 99.9 % of 400 x (all rounded values and the scores)."""
    network = prepare(float_file, calibration=_calibration(shapes), cpu_flags=FLAGS[processor])
    before = {name: parameter.clone() for name, parameter in network.named_parameters()}
    trained = _train(network, student, shapes)
    assert isinstance(trained, QuantizedNetwork)
    after = dict(trained.named_parameters())
    assert all(not torch.equal(before[name], after[name]) for name in before)
    made = freeze(trained, path=tmp_path / "int8.onnx")
    found = compare_integers(trained, made, images)
    assert found.samples == 400
    assert found.values > 400 * 3000
    assert found.within_one_step >= 0.999
    assert found.output_within_one_step >= 0.999
    assert found.equal >= 0.995
    assert found.holds


def test_another_file_does_not_hold(
    float_file: OnnxArtifact, shapes: ArrayData, images: np.ndarray, tmp_path: Path
) -> None:
    network = prepare(float_file, calibration=_calibration(shapes), cpu_flags=VNNI)
    made = freeze(network, path=tmp_path / "int8.onnx")
    with torch.no_grad():
        getattr(network, network.keys[network.plan.floats[0]]).mul_(1.2)
    assert not compare_integers(network, made, images[:64]).holds


def test_training_brings_int8_nearer_to_the_float_student(
    float_file: OnnxArtifact,
    student: nn.Module,
    shapes: ArrayData,
    images: np.ndarray,
    tmp_path: Path,
) -> None:
    """From ranges that cut off the larger part of every tensor; learned scales find them again."""
    narrow = [np.float32(0.3) * batch for batch in _calibration(shapes)]
    network = prepare(float_file, calibration=narrow, cpu_flags=VNNI)
    start = freeze(network, path=tmp_path / "start.onnx")
    made = freeze(_train(network, student, shapes, epochs=3), path=tmp_path / "int8.onnx")
    target = run_batches(open_session(float_file.path), images, batch=50)
    error = {
        path.name: np.abs(run_batches(open_session(path), images, batch=50) - target).mean()
        for path in (start.path, made.path)
    }
    assert error["int8.onnx"] < 0.6 * error["start.onnx"]


def test_equal_trainings_give_equal_bytes(
    float_file: OnnxArtifact, student: nn.Module, shapes: ArrayData, tmp_path: Path
) -> None:
    made = []
    for name in ("one.onnx", "two.onnx"):
        network = prepare(float_file, calibration=_calibration(shapes), cpu_flags=VNNI)
        made.append(freeze(_train(network, student, shapes), path=tmp_path / name))
    assert made[0].digest == made[1].digest


def test_seven_bit_weights_stay_within_seven_bits(
    float_file: OnnxArtifact, student: nn.Module, shapes: ArrayData, tmp_path: Path
) -> None:
    network = prepare(float_file, calibration=_calibration(shapes), cpu_flags=("avx2",))
    made = freeze(_train(network, student, shapes), path=tmp_path / "int8.onnx")
    weights = [
        numpy_helper.to_array(tensor)
        for tensor in onnx.load(made.path).graph.initializer
        if tensor.data_type == onnx.TensorProto.INT8 and len(tensor.dims) > 1
    ]
    assert max(int(np.abs(w.astype(int)).max()) for w in weights) == 64


def test_equal_biases_of_two_layers_are_trained_apart(tmp_path: Path) -> None:
    """A file keeps equal tensors once; weights that the network itself shares stay shared."""
    source = conv_then_gemm(tmp_path / "float.onnx")
    model = onnx.load(source.path)
    first = model.graph.node[0]
    second = onnx.NodeProto.FromString(first.SerializeToString())
    second.name, second.output[0] = "again", "c2"
    add = onnx.helper.make_node("Add", ["c", "c2"], ["sum"], name="add")
    model.graph.node.insert(1, second)
    model.graph.node.insert(2, add)
    model.graph.node[3].input[0] = "sum"
    onnx.save(model, source.path)

    samples = np.random.default_rng(0).normal(0, 1, (16, 8, 4, 4)).astype(np.float32)
    network = prepare(open_artifact(source.path), calibration=[samples], cpu_flags=VNNI)
    assert len(network.plan.biases) == 2
    assert len(network.plan.weights) == 2


def test_another_module_can_not_be_frozen(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is a Linear, not what `prepare` made"):
        freeze(nn.Linear(2, 2), path=tmp_path / "int8.onnx")


def test_a_file_with_signed_asymmetric_weights_is_refused(
    float_file: OnnxArtifact, shapes: ArrayData, tmp_path: Path
) -> None:
    static = quantize_static(
        float_file,
        path=tmp_path / "static.onnx",
        calibration=_calibration(shapes),
        cpu_flags=VNNI,
    )
    model = onnx.load(static.path)
    signed = [t for t in model.graph.initializer if t.data_type == onnx.TensorProto.INT8]
    for tensor in signed:
        if len(tensor.dims) < 2:
            tensor.CopyFrom(
                numpy_helper.from_array(numpy_helper.to_array(tensor) + np.int8(1), tensor.name)
            )
    onnx.save(model, static.path)
    with pytest.raises(DistilError, match="not signed and symmetric int8"):
        trainable(static, original=float_file)
