"""What rounding moves the mean of a product by goes into its bias."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from small_graphs import model, node

from compress.quantize.fidelity import answers
from compress.quantize.linear import Form, Smoothed
from compress.quantize.mixed import Calibrated, applied, everything
from compress.quantize.opened import write_model
from compress.quantize.ranges import Method
from compress.quantize.static import observed
from exporters.artifact import open_artifact

_WIDTH = 48
_OUTPUTS = 40


def rows(count: int, seed: int) -> NDArray[np.float32]:
    return np.random.default_rng(seed).normal(0.3, 1, (count, _WIDTH)).astype(np.float32)


def _uncorrected(smoothed: Mapping[str, Smoothed]) -> dict[str, Smoothed]:
    return {name: dataclasses.replace(one, correction={}) for name, one in smoothed.items()}


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize(
    ("form", "method", "left"),
    [
        ("static", "minmax", 1e-5),
        ("static", "mse", 1e-5),
        ("row", "minmax", 0.004),
        ("dynamic", "mse", 0.004),
    ],
)
def test_the_mean_error_of_each_output_is_taken_back(
    form: Form, method: Method, left: float, bias: bool, tmp_path: Path
) -> None:
    """On the rows that calibrate, all of which are kept, the mean of a static product is exact; the
    others are corrected for what rounding the weights does. On new rows it is nearer all the same.
    """
    nodes = [node("Gelu", "x", out="g"), node("MatMul", "g", "w", out="m" if bias else "y")]
    nodes += [node("Add", "m", "b", out="y")] if bias else []
    weights = {"w": (_WIDTH, _OUTPUTS), **({"b": (_OUTPUTS,)} if bias else {})}
    onnx.save(model(nodes, weights, shape=("n", _WIDTH)), tmp_path / "float.onnx")
    source = open_artifact(tmp_path / "float.onnx")
    known, fresh = rows(256, seed=1), rows(2000, seed=2)
    found = observed(
        source, [known[:128], known[128:]], cpu_flags=("avx2",), scratch=tmp_path, method=method
    )  # fmt: skip
    without = dataclasses.replace(
        found, smoothed=_uncorrected(found.smoothed), clipped=_uncorrected(found.clipped)
    )

    def mean_errors(used: Calibrated, given: NDArray[np.float32]) -> NDArray[np.float64]:
        """(outputs,), magnitudes."""
        made = applied(used, everything(used.model, form=form))
        path = write_model(made, tmp_path / "small.onnx").path
        exact, rounded = (answers(file, [{"x": given}]) for file in (source.path, path))
        return np.abs((rounded - exact).mean(axis=0))

    assert mean_errors(found, known).max() < left
    assert mean_errors(without, known).max() > 0.008
    assert mean_errors(found, fresh).mean() < 0.5 * mean_errors(without, fresh).mean()
