"""Static int8 of a small network: 256 calibration samples, observed, quantized, written."""

from pathlib import Path

import numpy as np
import torch
from pytest_benchmark.fixture import BenchmarkFixture

from benchmarks.environment import read_environment
from compress.quantize.static import quantize_static
from exporters import export

SAMPLES, BATCH = 256, 32


def test_calibration(benchmark: BenchmarkFixture, tmp_path: Path) -> None:
    torch.manual_seed(0)
    network = torch.nn.Sequential(
        torch.nn.Conv2d(1, 16, 3, stride=2, padding=1),
        torch.nn.ReLU(),
        torch.nn.Conv2d(16, 32, 3, stride=2, padding=1),
        torch.nn.ReLU(),
        torch.nn.Flatten(),
        torch.nn.Linear(32 * 49, 10),
    )
    artifact = export(network, torch.rand(2, 1, 28, 28), path=tmp_path / "float.onnx")
    rng = np.random.default_rng(0)
    batches = [rng.random((BATCH, 1, 28, 28), dtype=np.float32) for _ in range(SAMPLES // BATCH)]
    flags = read_environment().cpu_flags
    made = benchmark.pedantic(
        lambda: quantize_static(
            artifact, path=tmp_path / "int8.onnx", calibration=batches, cpu_flags=flags
        ),
        rounds=5,
        warmup_rounds=1,
    )
    assert made.size_bytes < artifact.size_bytes
