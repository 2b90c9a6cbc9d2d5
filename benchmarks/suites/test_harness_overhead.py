"""What the harness itself adds to a number, and what a verdict costs."""

import random
from pathlib import Path
from statistics import median

import numpy as np
import pytest
from onnx import TensorProto, helper, save
from pytest_benchmark.fixture import BenchmarkFixture

from benchmarks.runners.onnx_runtime import OnnxRuntimeRunner
from benchmarks.stats import compare_test
from benchmarks.timing import time_calls
from benchmarks.worker import resident_bytes

CALLS = 1000


def _nothing() -> None:
    pass


@pytest.fixture
def identity(tmp_path: Path) -> Path:
    """An ONNX file that does nothing: what is left is the runtime's own time."""
    graph = helper.make_graph(
        [helper.make_node("Identity", ["x"], ["y"])],
        "identity",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", 784])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["batch", 784])],
    )
    opset = helper.make_opsetid("", 20)
    save(helper.make_model(graph, opset_imports=[opset], ir_version=10), tmp_path / "x.onnx")
    return tmp_path / "x.onnx"


@pytest.mark.benchmark(disable_gc=True)  # as in a worker; else a collection is most of it
def test_time_of_a_thousand_empty_calls(benchmark: BenchmarkFixture) -> None:
    samples = benchmark(lambda: time_calls(_nothing, warmup=0, rounds=CALLS))
    assert len(samples) == CALLS


@pytest.mark.benchmark(disable_gc=True)
def test_what_the_harness_adds_to_a_timed_call(
    benchmark: BenchmarkFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    """The sample of a call that does nothing: reading the clock, and calling a function."""
    added_ns = benchmark(lambda: median(time_calls(_nothing, warmup=0, rounds=CALLS)))
    benchmark.extra_info["added_ns"] = added_ns
    with capsys.disabled():
        print(f"\nthe harness adds {added_ns:.0f} ns to a timed call", end=" ")
    assert added_ns < 1000


def test_one_call_of_a_model_that_does_nothing(benchmark: BenchmarkFixture, identity: Path) -> None:
    with OnnxRuntimeRunner(identity, threads=1) as runner:
        benchmark(runner.prepare({"x": np.zeros((1, 784), dtype=np.float32)}))


def test_a_verdict_on_sixteen_epochs(benchmark: BenchmarkFixture) -> None:
    rng = random.Random(0)
    ratios = [rng.gauss(0.0, 0.01) for _ in range(16)]
    assert benchmark(lambda: compare_test(ratios, seed=0)) != "slower"


def test_reading_resident_memory(benchmark: BenchmarkFixture) -> None:
    assert benchmark(resident_bytes)[0] > 0
