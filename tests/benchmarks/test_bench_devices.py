"""A device that is not there is one line, exit 4, and never a number of another device."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import onnx
import pytest
from onnx import TensorProto, helper

from benchmarks.compare import compare
from benchmarks.devices import check_device
from benchmarks.gpu import GpuWatch, Nvml, Reading, summarise
from benchmarks.runners.runner import DeviceCall, time_on_device
from benchmarks.settings import BenchSettings
from benchmarks.values import Spread
from exporters.builds import check_builds
from exporters.errors import DistilError, InputError, RuntimeMissing
from exporters.placement import CPU, Node, check_placement, on_cpu, placement
from exporters.session import open_session

ROOT = Path(__file__).resolve().parents[2]
FOUND = {"name": "Some GPU", "uuid": "GPU-0", "cuda": "13.0", "memory_bytes": 80 << 30}


def _nothing_here() -> bool:
    """Whether this machine lacks all that CUDA needs."""
    try:
        check_device("cuda", {"onnxruntime", "torch"})
    except RuntimeMissing as error:
        return "libcuda.so.1" in str(error)
    return False


def test_one_line_lists_all_that_is_missing() -> None:
    if not _nothing_here():
        return
    for device, provider in (("cuda", "CUDA"), ("tensorrt", "Tensorrt")):
        with pytest.raises(RuntimeMissing) as caught:
            check_device(device, {"onnxruntime"})
        said = str(caught.value)
        assert said.startswith(f"device {device}: no NVIDIA driver (libcuda.so.1 is not there), ")
        assert "is built without CUDA" in said
        assert f"has no {provider}ExecutionProvider; " in said
        assert said.isprintable()
        assert caught.value.exit_code == 4


def test_a_torch_module_needs_no_provider_of_onnxruntime() -> None:
    if not _nothing_here():
        return
    with pytest.raises(RuntimeMissing) as caught:
        check_device("cuda", {"torch"})
    assert "onnxruntime" not in str(caught.value)


def test_tensorrt_runs_no_torch_module() -> None:
    with pytest.raises(InputError, match="a torch module is named"):
        check_device("tensorrt", {"onnxruntime", "torch"})


def test_the_cpu_lacks_nothing() -> None:
    check_device("cpu", {"onnxruntime", "torch", "torch-compiled"})


def test_another_word_is_no_device() -> None:
    with pytest.raises(InputError, match="use cpu, cuda or tensorrt"):
        BenchSettings(devices=("gpu",))
    with pytest.raises(InputError, match=r"bench\.cpu_nodes: is -1"):
        BenchSettings(cpu_nodes=-1)


def test_a_comparison_on_a_missing_device_starts_nothing(tmp_path: Path) -> None:
    if not _nothing_here():
        return
    with pytest.raises(RuntimeMissing, match="CUDAExecutionProvider"):
        compare(tmp_path / "no.onnx", tmp_path / "no.onnx", inputs={}, seed=0, device="cuda")


def test_both_builds_of_onnxruntime_stop_the_tool_with_two_commands(tmp_path: Path) -> None:
    for name, number in (("onnxruntime", "1.30.0"), ("onnxruntime_gpu", "1.31.1")):
        folder = tmp_path / f"{name}-{number}.dist-info"
        folder.mkdir()
        text = f"Metadata-Version: 2.1\nName: {name.replace('_', '-')}\nVersion: {number}\n"
        (folder / "METADATA").write_text(text)
    script = (
        f"import sys; sys.path[:0] = [{str(tmp_path)!r}, {str(ROOT)!r}]\n"
        "from exporters.errors import RuntimeMissing\n"
        "from exporters.session import open_session\n"
        "try:\n    open_session('absent.onnx')\n"
        "except RuntimeMissing as error:\n    print(error.exit_code, error)\n"
    )
    run = subprocess.run(
        [sys.executable, "-P", "-c", script], capture_output=True, text=True, check=True
    )
    code, _, said = run.stdout.strip().partition(" ")
    assert code == "4"
    assert "onnxruntime 1.30.0 and onnxruntime-gpu 1.31.1 are both installed" in said
    assert "`pip uninstall -y onnxruntime onnxruntime-gpu`" in said
    assert "`pip install --no-deps onnxruntime-gpu==1.31.1`" in said


def test_one_build_is_no_complaint() -> None:
    check_builds()


def _two_nodes(path: Path) -> Path:
    graph = helper.make_graph(
        [
            helper.make_node("Relu", ["x"], ["h"], name="first"),
            helper.make_node("NonZero", ["h"], ["y"], name="second"),
        ],
        "two",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [2, 2])],
        [helper.make_tensor_value_info("y", TensorProto.INT64, [2, "n"])],
    )
    opset = helper.make_opsetid("", 17)
    onnx.save(helper.make_model(graph, opset_imports=[opset], ir_version=8), path)
    return path


def test_a_session_tells_where_each_node_runs(tmp_path: Path) -> None:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.add_session_config_entry("session.record_ep_graph_assignment_info", "1")
    session = onnxruntime.InferenceSession(
        str(_two_nodes(tmp_path / "m.onnx")), options, providers=["CPUExecutionProvider"]
    )
    nodes = placement(session)
    assert [(node.provider, str(node)) for node in nodes] == [
        (CPU, "first (Relu)"),
        (CPU, "second (NonZero)"),
    ]
    with pytest.raises(DistilError) as caught:
        check_placement(nodes, provider="CUDA", cpu_nodes=1, device="cuda", where="m.onnx")
    assert caught.value.exit_code == 4
    assert str(caught.value) == (
        "m.onnx: 2 of 2 nodes would run on the CPU and not on cuda, 1 allowed: first (Relu), "
        "second (NonZero); replace them, or allow them with `cpu_nodes` of at least 2"
    )


def test_nodes_on_the_cpu_can_be_allowed_and_are_still_listed() -> None:
    nodes = (
        Node(provider="CUDAExecutionProvider", name="conv", operator="Conv"),
        Node(provider=CPU, name="", operator="Shape"),
    )
    check_placement(
        nodes, provider="CUDAExecutionProvider", cpu_nodes=1, device="cuda", where="m.onnx"
    )
    assert [str(node) for node in on_cpu(nodes)] == ["(no name) (Shape)"]


def test_a_device_that_runs_no_node_is_an_error_even_where_the_cpu_is_allowed() -> None:
    nodes = (Node(provider=CPU, name="a", operator="Relu"),)
    with pytest.raises(DistilError, match="no node would run on CUDAExecutionProvider"):
        check_placement(
            nodes, provider="CUDAExecutionProvider", cpu_nodes=9, device="cuda", where="m.onnx"
        )


def test_a_provider_that_is_not_there_is_no_session(tmp_path: Path) -> None:
    if not _nothing_here():
        return
    with pytest.raises(RuntimeMissing, match="has no TensorrtExecutionProvider"):
        open_session(_two_nodes(tmp_path / "m.onnx"), device="tensorrt")


def test_time_on_the_device_is_what_its_own_clock_says() -> None:
    class Queue:
        now, begun, calls = 0, 0, 0

        def work(self) -> None:
            self.calls += 1
            self.now += 100 * self.calls

        def start(self) -> None:
            self.begun = self.now

        def stop_ns(self) -> int:
            return self.now - self.begun

    queue = Queue()
    found = time_on_device(DeviceCall(call=queue.work, timer=queue), warmup=2, rounds=3)
    assert found == (300, 400, 500)


def _reading(sm: int | None, reasons: int | None, processes: int = 1) -> Reading:
    return Reading(
        sm_mhz=sm,
        memory_mhz=2619,
        power_w=300.5,
        temperature_c=None,
        reasons=reasons,
        processes=tuple(range(processes)),
    )


def test_a_log_keeps_the_range_and_the_share_of_each_slowdown() -> None:
    # 0x01 idle and 0x04 power cap; 0x44: power cap and hardware thermal slowdown.
    readings = [_reading(345, 0x01), _reading(1980, 0x04), _reading(1755, 0x44, processes=3)]
    log = summarise(
        [*readings, _reading(None, None)], device="cuda", found=FOUND, driver="580", note=""
    )
    assert log.sm_mhz == Spread(low=345, median=1755, high=1980)
    assert log.power_w == Spread(low=300.5, median=300.5, high=300.5)
    assert log.temperature_c is None
    assert log.slowdowns == {
        "hardware thermal slowdown": pytest.approx(1 / 3),
        "power cap": pytest.approx(2 / 3),
    }
    assert (log.readings, log.most_processes) == (4, 3)


def test_without_nvml_a_log_says_why_it_is_empty() -> None:
    with Nvml("GPU-0") as nvml:
        missing, reading, held = nvml.missing, nvml.read(), nvml.process_bytes(1)
    assert missing  # no driver here, or no device of this name
    assert reading is None
    assert held is None
    with GpuWatch(FOUND, device="cuda", period_s=0.001) as watch:
        pass
    assert watch.log is not None
    assert watch.log.readings == 0
    assert watch.log.sm_mhz is None
    assert watch.log.note == missing
