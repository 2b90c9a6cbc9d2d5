"""How ranges are found reaches the file, whichever door it comes through."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import numpy_helper
from small_graphs import conv_then_gemm
from small_transformer import ids, small_transformer

from compress import quantize
from compress.quantize.ranges import Method
from compress.quantize.static import observed
from compress.quantize.values import Quantized, Scheme
from exporters.values import OnnxArtifact

CLIPPING: tuple[Method, ...] = (
    "percentile",
    "mse",
)  # entropy, by onnxruntime's numbers, keeps the whole range
PRODUCTS = 3  # left sides of the small transformer


def _images(rows: int) -> NDArray[np.float32]:
    return np.random.default_rng(1).laplace(0, 1, (rows, 8, 4, 4)).astype(np.float32)


NETWORKS: dict[str, tuple[Callable[[Path], OnnxArtifact], Callable[[int], NDArray[Any]]]] = {
    "convolutions": (conv_then_gemm, _images),
    "transformer": (small_transformer, ids),
}


def made(network: str, method: Method, folder: Path, scheme: Scheme = "static") -> Quantized:
    build, data = NETWORKS[network]
    found = quantize(
        build(folder / "float.onnx").path, path=folder / f"{method}.onnx", scheme=scheme,
        data=data(384), metric="cosine", max_drop=1.0, method=method, cpu_flags=("avx2",),
        timed=False,
    )  # fmt: skip
    assert found.artifact is not None
    return found


def steps(found: Quantized) -> list[float]:
    """Scales of what is rounded while the network runs, in the order of the graph."""
    assert found.artifact is not None
    graph = onnx.load(found.artifact.path).graph
    stored = {tensor.name: tensor for tensor in graph.initializer}
    return [
        float(numpy_helper.to_array(stored[node.input[1]]))
        for node in graph.node
        if node.op_type == "QuantizeLinear"
    ]


@pytest.mark.parametrize("method", CLIPPING)
@pytest.mark.parametrize("network", NETWORKS)
def test_a_method_that_clips_makes_finer_steps(
    network: str, method: Method, tmp_path: Path
) -> None:
    """No step is coarser than by minmax, and the answers are as close within 0.1 pp of cosine."""
    widest, found = made(network, "minmax", tmp_path), made(network, method, tmp_path)
    before, after = np.array(steps(widest)), np.array(steps(found))
    assert len(after) == len(before) >= 2
    assert (after <= before).all()
    assert (after < before).any()
    assert widest.fidelity is not None
    assert found.fidelity is not None
    assert abs(found.fidelity.value - widest.fidelity.value) < 0.001


def test_mse_and_minmax_differ_by_more_than_a_bin(tmp_path: Path) -> None:
    """A bin is 1/1,024 of the largest magnitude; what is lost here is more than 4 %."""
    for network in NETWORKS:
        before, after = (
            np.array(steps(made(network, method, tmp_path))) for method in ("minmax", "mse")
        )
        assert (after / before).min() < 0.96, network


def test_products_are_narrowed_after_their_smoothing(tmp_path: Path) -> None:
    """One channel 300 times larger is divided first: clipped before, it would be cut to nothing."""
    source = small_transformer(tmp_path / "float.onnx", outlier=300.0)
    given = [{"ids": ids(16, seed=number)} for number in range(8)]
    found = observed(source, given, cpu_flags=("avx2",), scratch=tmp_path, method="mse")
    assert len(found.clipped) == len(found.smoothed) == PRODUCTS
    for name, one in found.clipped.items():
        whole = found.smoothed[name]
        np.testing.assert_array_equal(one.scale, whole.scale)
        assert whole.low <= one.low <= 0.0 < one.high <= whole.high
        assert one.high - one.low > 0.5 * (whole.high - whole.low)
    assert any(one.high < found.smoothed[name].high for name, one in found.clipped.items())


@pytest.mark.parametrize("scheme", ["row", "dynamic"])
def test_ranges_that_come_with_the_data_are_never_clipped(scheme: Scheme, tmp_path: Path) -> None:
    """Nor is the bias corrected for what would have been cut off."""
    first, second = (
        made("transformer", method, tmp_path, scheme).artifact for method in ("minmax", "mse")
    )
    assert first is not None
    assert second is not None
    assert first.digest == second.digest
