"""Measured on a real GPU. `make gpu-check` runs these; elsewhere they are skipped."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from benchmarks.devices import check_device
from benchmarks.measure import measure
from benchmarks.pace import Pace
from benchmarks.settings import BenchSettings
from benchmarks.sources import TorchSource
from benchmarks.values import Measured
from exporters.errors import DistilError, RuntimeMissing
from exporters.values import TensorSpec

pytestmark = pytest.mark.gpu
ROWS = np.ones((8, 4), np.float32)
SETTINGS = BenchSettings(devices=("cuda",), batch=(1, 8), epochs=2)

LOADER = """
import torch

class Greedy(torch.nn.Module):
    def forward(self, x):
        return x + torch.empty(1 << 42, device=x.device)[0]

def linear():
    return torch.nn.Linear(4, 3)

def greedy():
    return Greedy()
"""


def _need(device: str, runner: str) -> None:
    try:
        check_device(device, {runner})
    except RuntimeMissing as error:
        pytest.skip(str(error))


@pytest.fixture
def source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., TorchSource]:
    """source("linear") -> a module that the timed process imports from a folder of its own."""
    (tmp_path / "gpu_check_nets.py").write_text(LOADER)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))

    def make(name: str, *, compiled: bool = False) -> TorchSource:
        return TorchSource(
            path=Path(name),
            loader=f"gpu_check_nets:{name}",
            inputs=(TensorSpec(name="x", dtype="float32", shape=(None, 4)),),
            digest="0" * 64,
            size_bytes=60,
            compiled=compiled,
        )

    return make


def _check_cells(found: Measured, subject: int) -> None:
    for cell in found.measurements[subject].cells:
        assert cell.device_latency is not None
        assert 0 < cell.device_latency.p50_ms < cell.latency.p50_ms
        assert cell.fallback_nodes in ((), None)
        # A context alone takes more than 50 MB; in some containers NVML tells no process.
        assert cell.memory.device_bytes is None or cell.memory.device_bytes > 50e6
    (log,) = found.gpus
    assert log.name
    assert log.readings > 0, log.note
    assert log.sm_mhz is not None
    assert log.sm_mhz.low > 0


def test_a_torch_module_eager_and_compiled(
    source: Callable[..., TorchSource], hurried: Pace
) -> None:
    _need("cuda", "torch")
    subjects = {"eager": source("linear"), "compiled": source("linear", compiled=True)}
    found = measure(subjects, inputs=ROWS, settings=SETTINGS, seed=0, pace=hurried)
    for index in range(2):
        _check_cells(found, index)
    # The same module in two ways is no twin: it was timed.
    assert {len(c.log_ratios) for c in found.comparisons} == {2}


@pytest.mark.parametrize("device", ["cuda", "tensorrt"])
def test_an_onnx_file(make_model: Callable[..., Path], hurried: Pace, device: str) -> None:
    _need(device, "onnxruntime")
    settings = BenchSettings(devices=(device,), batch=(1, 8), epochs=2)
    found = measure(
        {"m": make_model("on_gpu", layers=3)}, inputs=ROWS, settings=settings, seed=0, pace=hurried
    )
    _check_cells(found, 0)


def test_memory_that_runs_out_is_said_and_is_no_number(
    source: Callable[..., TorchSource], hurried: Pace
) -> None:
    _need("cuda", "torch")
    with pytest.raises(DistilError, match="out of memory on cuda") as caught:
        measure({"m": source("greedy")}, inputs=ROWS, settings=SETTINGS, seed=0, pace=hurried)
    assert caught.value.exit_code == 4
    assert str(caught.value).isprintable()


def test_a_node_that_falls_back_is_refused_by_name_or_allowed_and_listed(
    tmp_path: Path, hurried: Pace
) -> None:
    _need("cuda", "onnxruntime")
    path = tmp_path / "unique.onnx"
    graph = helper.make_graph(
        [
            helper.make_node("Relu", ["x"], ["h"], name="relu"),
            helper.make_node("Unique", ["h"], ["y"], name="only_on_cpu"),  # has no CUDA kernel
        ],
        "falls_back",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", 4])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n"])],
    )
    opset = helper.make_opsetid("", 17)
    onnx.save(helper.make_model(graph, opset_imports=[opset], ir_version=8), path)
    with pytest.raises(DistilError, match=r"only_on_cpu \(Unique\)") as caught:
        measure({"m": path}, inputs=ROWS, settings=SETTINGS, seed=0, pace=hurried)
    assert caught.value.exit_code == 4
    allowing = BenchSettings(devices=("cuda",), batch=(1,), epochs=1, cpu_nodes=4)
    found = measure({"m": path}, inputs=ROWS, settings=allowing, seed=0, pace=hurried)
    nodes = found.measurements[0].cells[0].fallback_nodes
    assert nodes is not None
    assert "only_on_cpu (Unique) on CPUExecutionProvider" in nodes
