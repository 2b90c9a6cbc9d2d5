"""`distil bench` on devices and of torch modules: refused in one line, or measured beside files."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from cli_models import save_mlp
from safetensors.torch import save_file

from benchmarks.devices import check_device
from benchmarks.environment import read_environment
from benchmarks.values import (
    Cell,
    ColdStart,
    GpuLog,
    Latency,
    Measured,
    Measurement,
    Memory,
    Setting,
    Spread,
)
from compress.cli.bench_gpu import gpu_lines
from compress.report.codec import from_json, to_json
from exporters.errors import RuntimeMissing

NET = """
import torch

def net():
    return torch.nn.Linear(8, 8)

def no_module():
    return 3
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A folder with a module, its weights and an ONNX file of the same inputs."""
    (tmp_path / "model.py").write_text(NET)
    weights = {"weight": torch.eye(8), "bias": torch.zeros(8)}
    save_file(weights, tmp_path / "net.safetensors")
    save_mlp(tmp_path / "net.onnx")
    return tmp_path


def test_a_torch_module_is_timed_beside_an_onnx_file(call, project: Path) -> None:
    arguments = ("--weights", "net.safetensors", "--batch", "2", "--epochs", "1")
    result = call("bench", "net.onnx", "model.py:net", *arguments, "--json", "out.json")
    assert result.code == 0, result.err
    found = json.loads((project / "out.json").read_text())["result"]
    file, module = found["measurements"]
    assert (file["subject"], module["subject"]) == ("net.onnx", "model.py:net (torch)")
    assert module["size_bytes"] == 4 * (8 * 8 + 8)
    assert module["cells"][0]["latency"]["p50_ms"] > 0
    assert module["cells"][0]["device_latency"] is None
    assert module["cells"][0]["fallback_nodes"] == []
    assert "model.py:net (torch) against net.onnx (batch 2, cpu): " in result.out
    assert found["gpus"] == []


def test_a_missing_device_is_one_line_and_no_number(call, project: Path) -> None:
    try:
        check_device("cuda", {"onnxruntime"})
    except RuntimeMissing as error:
        missing = str(error)
    else:
        return  # nothing is missing here
    result = call("bench", "net.onnx", "--device", "cuda", "--json", "out.json")
    assert result.code == 4
    assert result.out == ""
    assert result.err.strip() == f"error: {missing}"
    assert json.loads((project / "out.json").read_text())["result"] is None


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("net.onnx", "--device", "gpu"), "use cpu, cuda or tensorrt"),
        (("net.onnx", "--weights", "net.safetensors"), "--weights belongs to a torch module"),
        (("net.onnx", "--compile"), "--compile belongs to a torch module"),
        (("model.py:net", "--shape", "input=8", *["--weights", "a"] * 2), "2 files of weights for"),
        (("model.py:net",), "give the shape of one sample as in --shape input=3,32,32"),
        (("model.py:net", "--shape", "x=8"), "takes input, and x is given"),
        (("model.py:net", "--shape", "input=9"), "does not answer float32 (2, 9): "),
        (("model.py:no_module", "--shape", "x=9"), "returned int, not a torch module"),
        (("model.py:absent", "--shape", "x=9"), "absent"),
    ],
)
def test_what_does_not_fit_is_refused(
    call, project: Path, arguments: tuple[str, ...], said: str
) -> None:
    result = call("bench", *arguments)
    assert result.code == 2
    assert said in result.err
    assert len(result.err.strip().splitlines()) == 1


def test_lines_of_a_gpu_hold_its_times_memory_nodes_and_clocks() -> None:
    setting = Setting(device="cuda", threads=1, batch=1)
    whole = Latency(samples_ns=((2_000_000,),), p50_ms=2.0, p95_ms=None, throughput_per_s=500)
    alone = Latency(samples_ns=((500_000,),), p50_ms=0.5, p95_ms=None, throughput_per_s=2000)
    memory = Memory(baseline_bytes=1, loaded_bytes=2, peak_bytes=3, batch=1, device_bytes=3 << 20)
    nodes = tuple(f"n{index} (Shape) on CPUExecutionProvider" for index in range(5))
    cell = Cell(
        setting=setting,
        latency=whole,
        memory=memory,
        device_latency=alone,
        fallback_nodes=nodes,
    )
    log = GpuLog(
        device="cuda",
        name="Some GPU",
        uuid="GPU-0",
        driver="580.1",
        cuda="13.0",
        memory_bytes=1 << 30,
        readings=4,
        sm_mhz=Spread(low=345, median=1755, high=1980),
        memory_mhz=None,
        power_w=Spread(low=70, median=300.4, high=310),
        temperature_c=None,
        slowdowns={"power cap": 0.25},
        most_processes=2,
        note="",
    )
    cold = ColdStart(session_ms=1, first_call_ms=1, samples=1)
    measured = Measured(
        environment=read_environment(),
        measurements=(
            Measurement(subject="m", digest="0", size_bytes=1, cells=(cell,), cold_start=cold),
        ),
        comparisons=(),
        floor_ms=None,
        seed=0,
        gpus=(log,),
    )
    assert from_json(Measured, to_json(measured)) == measured
    first, log_line, others, slower = gpu_lines(measured)
    assert first == (
        "m (batch 1, cuda): 0.500 ms on the device alone, 3.00 MiB of its memory, 5 nodes "
        f"elsewhere: {', '.join(nodes[:4])} and 1 more"
    )
    assert log_line == (
        "cuda: Some GPU, CUDA 13.0, driver 580.1, SM clock 1755 MHz [345, 1980], memory clock not "
        "told, power 300 W [70, 310], temperature not told, slowed down: power cap 25 %, "
        "2 processes at most"
    )
    assert others == (
        "warning: 2 processes used cuda (Some GPU) at once, and only one is of this measurement: "
        "others may have changed its times"
    )
    assert slower == "warning: cuda (Some GPU) slowed down: power cap 25 % of the readings"
