"""What every quantizer holds to, on every network."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from quantizable import Case, pooled_case, residual_case

from benchmarks.environment import read_environment
from compress.quantize.scheme import scheme_for
from compress.quantize.static import quantize_static
from exporters.atomic import sha256_file
from exporters.inspect import inspect_model
from exporters.run import run_batches
from exporters.session import open_session
from exporters.values import OnnxArtifact

# Static int8 for x86 with VNNI, x86 without, and ARM. Each file runs on every processor; on x86
# without VNNI those of the others are less exact, see scheme_for.
QUANTIZERS: dict[str, Callable[..., OnnxArtifact]] = {
    "static vnni": partial(quantize_static, cpu_flags=("avx2", "avx512_vnni")),
    "static avx2": partial(quantize_static, cpu_flags=("avx2",)),
    "static arm": partial(quantize_static, cpu_flags=("asimd",)),
}
NETWORKS = {"residual": residual_case, "pooled": pooled_case}
ACCURACY_BOUND, SATURATED_BOUND = 0.01, 0.05
SATURATES = scheme_for(read_environment().cpu_flags).weight_bits == 7


class Quantized:
    """A network and what a quantizer made of it."""

    def __init__(self, network: str, quantizer: str, folder: Path) -> None:
        self.case: Case = NETWORKS[network](folder)
        self.digest_before = sha256_file(self.case.artifact.path)
        self.path = folder / "int8.onnx"
        self.made = self.again(self.path)

    def again(self, path: Path, quantizer: str = "") -> OnnxArtifact:
        quantize = QUANTIZERS[quantizer or self.quantizer]
        return quantize(self.case.artifact, path=path, calibration=self.case.calibration)

    quantizer: str


@pytest.fixture(scope="module", params=[f"{n}/{q}" for n in NETWORKS for q in QUANTIZERS])
def quantized(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Quantized:
    network, quantizer = request.param.split("/")
    made = type("Made", (Quantized,), {"quantizer": quantizer})
    return made(network, quantizer, tmp_path_factory.mktemp("quantized"))


def _accuracy(path: Path, case: Case) -> float:
    logits = run_batches(open_session(path), case.images, batch=50)
    return float((logits.argmax(1) == case.labels).mean())


def test_the_input_is_untouched_and_nothing_is_left_behind(quantized: Quantized) -> None:
    source = quantized.case.artifact.path
    assert sha256_file(source) == quantized.digest_before
    assert sorted(path.name for path in source.parent.iterdir() if path.name != "again.onnx") == [
        "int8.onnx",
        source.name,
    ]


def test_the_result_says_what_is_in_the_file(quantized: Quantized) -> None:
    made, source = quantized.made, quantized.case.artifact
    assert made.path == quantized.path
    assert made.digest == sha256_file(quantized.path)
    assert made.size_bytes == quantized.path.stat().st_size
    assert made.precision == "int8"
    assert made.parameters == source.parameters
    assert (made.inputs, made.outputs) == (source.inputs, source.outputs)


def test_it_is_smaller(quantized: Quantized) -> None:
    made, source = quantized.made, quantized.case.artifact
    assert made.size_bytes < 0.5 * source.size_bytes
    assert made.size_bytes < 1.25 * made.parameters + 6000  # one byte each, scales, nodes


def test_accuracy_holds(quantized: Quantized) -> None:
    before = _accuracy(quantized.case.artifact.path, quantized.case)
    after = _accuracy(quantized.path, quantized.case)
    assert before > 0.9
    foreign = SATURATES and quantized.quantizer != "static avx2"
    assert after >= before - (SATURATED_BOUND if foreign else ACCURACY_BOUND)


def test_an_answer_does_not_depend_on_its_batch(quantized: Quantized) -> None:
    session, images = open_session(quantized.path), quantized.case.images[:99]
    alone = run_batches(session, images, batch=1)
    for batch in (2, 33, 99):
        np.testing.assert_allclose(run_batches(session, images, batch=batch), alone, atol=1e-5)


def test_the_operators_are_as_listed(quantized: Quantized) -> None:
    """Every product runs in int8 but thin stems, as stored and as onnxruntime fuses it."""
    stored = inspect_model(quantized.path)
    weights = {t.name: t.dtype for t in stored.tensors if t.name.endswith(".weight")}
    floats = [name for name, dtype in weights.items() if dtype != "int8"]
    thin = ["layers.stem.weight"] * quantized.case.float_convolutions
    assert floats == thin
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.add_session_config_entry("session.qdqisint8allowed", "1")  # as on ARM
    fused = quantized.path.parent / "fused.onnx"
    options.optimized_model_filepath = str(fused)
    onnxruntime.InferenceSession(str(quantized.path), options, ["CPUExecutionProvider"])
    operators = [node.op_type for node in onnx.load(fused).graph.node]
    fused.unlink()
    assert operators.count("Conv") == quantized.case.float_convolutions
    assert "Gemm" not in operators
    assert "MatMul" not in operators
    assert operators.count("QLinearConv") == len(weights) - 1 - len(thin)


def test_scores_come_out_in_float(quantized: Quantized) -> None:
    """Not rounded to 256 steps, which would make ties."""
    logits = run_batches(open_session(quantized.path), quantized.case.images, batch=50)
    assert logits.dtype == np.float32
    assert len(np.unique(logits)) > 1000


def test_equal_inputs_give_equal_bytes(quantized: Quantized) -> None:
    again = quantized.again(quantized.path.parent / "again.onnx")
    assert again.digest == quantized.made.digest


def test_the_file_passes_the_full_check(quantized: Quantized) -> None:
    onnx.checker.check_model(str(quantized.path), full_check=True)
