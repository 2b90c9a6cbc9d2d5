"""What every runner keeps: run over each of them. Those on a GPU carry the marker `gpu`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper

from benchmarks.devices import check_device
from benchmarks.runners.opening import open_runner
from benchmarks.runners.runner import DeviceCall, Runner, time_on_device
from benchmarks.timing import time_calls
from exporters.errors import InputError, RuntimeMissing

WEIGHT = np.arange(12, dtype=np.float32).reshape(4, 3) - 5
ROWS = np.array([[1, 2, 3, 4], [0, -1, 0.5, 2]], dtype=np.float32)
EXPECTED = ROWS @ WEIGHT
INPUTS = ({"name": "x", "dtype": "float32", "shape": (None, 4)},)


@dataclass(frozen=True, kw_only=True)
class Case:
    runner: str
    device: str

    def __str__(self) -> str:
        return f"{self.runner}-{self.device}"


CASES = [
    Case(runner="onnxruntime", device="cpu"),
    Case(runner="torch", device="cpu"),
    pytest.param(Case(runner="torch-compiled", device="cpu"), marks=pytest.mark.slow),
    *(
        pytest.param(Case(runner=runner, device=device), marks=pytest.mark.gpu)
        for runner, device in (
            ("onnxruntime", "cuda"),
            ("onnxruntime", "tensorrt"),
            ("torch", "cuda"),
            ("torch-compiled", "cuda"),
        )
    ),
]
pytestmark = [
    pytest.mark.parametrize("case", CASES, ids=lambda case: str(case)),
    # torch.compile of several versions warns of its own code.
    pytest.mark.filterwarnings("ignore::DeprecationWarning:torch.*"),
]
Open = Callable[[Case], Runner]


def linear() -> torch.nn.Module:
    """The module that the torch runners are told to load."""
    module = torch.nn.Linear(4, 3, bias=False)
    with torch.no_grad():
        module.weight.copy_(torch.from_numpy(WEIGHT.T.copy()))
    return module


def _onnx_file(path: Path) -> Path:
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "w"], ["y"], name="product")],
        "linear",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", 4])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["batch", 3])],
        [numpy_helper.from_array(WEIGHT, "w")],
    )
    opset = helper.make_opsetid("", 17)
    onnx.save(helper.make_model(graph, opset_imports=[opset], ir_version=8), path)
    return path


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Open]:
    runners: list[Runner] = []
    threads = torch.get_num_threads()

    def opening(case: Case) -> Runner:
        try:
            check_device(case.device, {case.runner})
            found = open_runner(
                case.runner,
                device=case.device,
                threads=1,
                path=str(_onnx_file(tmp_path / "linear.onnx")),
                loader=f"{__name__}:linear",
                inputs=INPUTS,
            )
        except RuntimeMissing as error:
            pytest.skip(str(error))  # under the marker gpu alone: the CPU is always there
        runners.append(found)
        return found

    yield opening
    for runner in runners:
        runner.close()
    torch.set_num_threads(threads)


def _on_device(runner: Runner) -> DeviceCall | None:
    return runner.prepare_on_device({"x": ROWS})


def test_a_call_gives_the_models_outputs_on_the_host(opened: Open, case: Case) -> None:
    (answer,) = opened(case).prepare({"x": ROWS})()
    assert isinstance(answer, np.ndarray)
    # TF32 keeps ten bits of these small whole numbers, and they need no more.
    np.testing.assert_allclose(answer, EXPECTED, rtol=1e-3)


def test_each_call_reads_its_feeds_again(opened: Open, case: Case) -> None:
    rows = ROWS.copy()
    call = opened(case).prepare({"x": rows})
    call()
    rows *= 2
    np.testing.assert_allclose(call()[0], EXPECTED * 2, rtol=1e-3)


def test_batches_may_differ(opened: Open, case: Case) -> None:
    runner = opened(case)
    for count in (1, 5):
        rows = np.ones((count, 4), np.float32)
        assert runner.prepare({"x": rows})()[0].shape == (count, 3)


def test_names_are_checked(opened: Open, case: Case) -> None:
    runner = opened(case)
    for feeds in ({"y": ROWS}, {"x": ROWS, "y": ROWS}, {}):
        with pytest.raises(InputError, match=r"takes inputs \['x'\]"):
            runner.prepare(feeds)


def test_types_are_checked(opened: Open, case: Case) -> None:
    for dtype in (np.float64, np.int32):
        with pytest.raises(InputError, match=f"x takes float32, and was given {np.dtype(dtype)}"):
            opened(case).prepare({"x": ROWS.astype(dtype)})


def test_shapes_are_checked(opened: Open, case: Case) -> None:
    for shape in ((2, 5), (4,), (1, 2, 4)):
        with pytest.raises(InputError, match="input x takes") as caught:
            opened(case).prepare({"x": np.ones(shape, np.float32)})
        assert str(shape) in str(caught.value)


def test_feeds_of_the_device_call_are_checked_too(opened: Open, case: Case) -> None:
    with pytest.raises(InputError, match=r"takes inputs \['x'\]"):
        opened(case).prepare_on_device({"y": ROWS})


def test_a_closed_runner_refuses(opened: Open, case: Case) -> None:
    runner = opened(case)
    runner.prepare({"x": ROWS})()
    runner.close()
    runner.close()
    with pytest.raises(InputError, match="closed"):
        runner.prepare({"x": ROWS})


def test_timing_is_exact_under_a_fake_clock(opened: Open, case: Case) -> None:
    """One sample per call; a runner reads no clock and adds no call of its own."""
    call, made, now = opened(case).prepare({"x": ROWS}), 0, 0

    def counted() -> None:
        nonlocal made, now
        call()
        made += 1
        now += 10 * made

    samples = time_calls(counted, warmup=2, rounds=3, clock_ns=lambda: now)
    assert samples == (30, 40, 50)
    assert made == 5


def test_nothing_runs_beside_the_device(opened: Open, case: Case) -> None:
    assert opened(case).fallback_nodes in ((), None)


def test_only_a_gpu_has_a_call_on_the_device(opened: Open, case: Case) -> None:
    found = _on_device(opened(case))
    assert (found is None) == (case.device == "cpu")


def test_the_device_counts_less_than_the_whole_call(opened: Open, case: Case) -> None:
    runner = opened(case)
    found = runner.prepare_on_device({"x": ROWS})
    if found is None:
        assert case.device == "cpu"
        return
    on_device = time_on_device(found, warmup=20, rounds=50)
    whole = time_calls(runner.prepare({"x": ROWS}), warmup=20, rounds=50)
    assert len(on_device) == 50
    assert min(on_device) > 0
    assert sorted(on_device)[25] < sorted(whole)[25]


def test_what_is_no_error_of_its_library_stays_as_it_is(opened: Open, case: Case) -> None:
    error = InputError("as it is")
    assert opened(case).explain(error) is error
