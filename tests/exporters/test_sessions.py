"""Sessions, batches and parity on tiny models whose answers are known."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from numpy.typing import NDArray
from onnx import helper
from tiny_models import conv_model, linear_model, save, save_external

from exporters.artifact import open_artifact
from exporters.cpus import allowed_cpus, check_threads
from exporters.errors import InputError, MachineFailed, RefusedModel, RuntimeMissing
from exporters.parity import check_parity
from exporters.run import run_batches
from exporters.session import open_session, runtime_error

WEIGHT = np.array([[1.0, 0.0, 2.0], [0.0, 1.0, -1.0]])
SAMPLES = np.random.default_rng(3).normal(size=(300, 2)).astype(np.float32)


@pytest.fixture
def linear(tmp_path: Path) -> Path:
    return save(linear_model(WEIGHT), tmp_path / "linear.onnx")


def test_a_session_is_sequential_single_threaded_and_does_not_spin(linear: Path) -> None:
    session = open_session(linear)
    options = session.get_session_options()
    assert options.intra_op_num_threads == 1
    assert options.inter_op_num_threads == 1
    assert options.execution_mode == onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    assert options.log_severity_level == 3
    assert options.get_session_config_entry("session.intra_op.allow_spinning") == "0"
    assert session.get_providers() == ["CPUExecutionProvider"]
    spinning = open_session(linear, spinning=True).get_session_options()
    assert spinning.get_session_config_entry("session.intra_op.allow_spinning") == "1"


def test_more_threads_than_allowed_cpus_is_an_input_error(linear: Path) -> None:
    allowed = allowed_cpus()
    check_threads(allowed)
    with pytest.raises(InputError, match=f"{allowed + 1} threads on {allowed} allowed CPU"):
        open_session(linear, threads=allowed + 1)
    with pytest.raises(InputError, match="0 threads"):
        check_threads(0)


@pytest.mark.parametrize(
    ("files", "own", "expected"),
    [
        ({"cpu.max": "100000 100000"}, "0::/", 1),
        ({"cpu.max": "150000 100000"}, "0::/", 1),
        ({"cpu.max": "50000 100000"}, "0::/", 1),
        ({"job/cpu.max": "100000 100000", "cpu.max": "max 100000"}, "0::/job/step", 1),
        ({"cpu/cpu.cfs_quota_us": "100000", "cpu/cpu.cfs_period_us": "100000"}, "4:cpu:/", 1),
        ({"cpu/cpu.cfs_quota_us": "-1", "cpu/cpu.cfs_period_us": "100000"}, "4:cpu:/", None),
        ({"cpu.max": "max 100000"}, "0::/", None),
        ({"cpu.max": "nonsense"}, "0::/../..", None),
        ({}, "", None),
    ],
)
def test_a_quota_lowers_the_allowed_cpus(
    tmp_path: Path, files: dict[str, str], own: str, expected: int | None
) -> None:
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    (tmp_path / "self").write_text(own)
    found = allowed_cpus(groups=tmp_path, membership=tmp_path / "self")
    assert found == (expected or len(os.sched_getaffinity(0)))


def test_a_missing_gpu_provider_is_never_a_silent_cpu(
    linear: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: ["CPUExecutionProvider"])
    with pytest.raises(RuntimeMissing, match="has no CUDAExecutionProvider") as caught:
        open_session(linear, device="cuda")
    assert caught.value.exit_code == 4
    for device in ("tpu", "cuda:x", "cpu:0", ""):
        with pytest.raises(InputError, match="unknown device"):
            open_session(linear, device=device)


def test_models_that_the_runtime_refuses_give_one_line(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    model = conv_model()
    model.graph.node[0].input[0] = "active"
    cut = tmp_path / "cut.onnx"
    cut.write_bytes(conv_model().SerializeToString()[:300])
    for path in (cut, save(model, tmp_path / "loop.onnx"), save_external(tmp_path / "e.onnx")):
        with pytest.raises(RefusedModel) as caught:
            open_session(path)
        assert str(caught.value).startswith(f"{path}: ")
        assert str(caught.value).isprintable()
    with pytest.raises(InputError, match="no such file"):
        open_session(tmp_path / "absent.onnx")
    assert capfd.readouterr().out == ""


def test_an_operator_without_kernel_is_refused_by_name(tmp_path: Path) -> None:
    model = linear_model(WEIGHT)
    for value in (model.graph.input[0], model.graph.output[0]):
        value.type.tensor_type.elem_type = onnx.TensorProto.BFLOAT16
    weight = model.graph.initializer[0]
    weight.data_type, weight.raw_data = onnx.TensorProto.BFLOAT16, bytes(12)
    with pytest.raises(RefusedModel, match="MatMul"):
        open_session(save(model, tmp_path / "m.onnx"))


@pytest.mark.parametrize("name", ["with space.onnx", "größe.onnx", b"\xff.onnx"])
def test_odd_file_names_run(
    tmp_path: Path, name: str | bytes, capfd: pytest.CaptureFixture[str]
) -> None:
    path = save(linear_model(WEIGHT), tmp_path / os.fsdecode(name))
    assert run_batches(open_session(path), SAMPLES, batch=300).shape == (300, 3)
    assert capfd.readouterr() == ("", "")


def test_errors_of_memory_are_told_from_the_rest() -> None:
    memory = runtime_error(MemoryError("std::bad_alloc"), where="batch of 32")
    assert type(memory) is MachineFailed
    assert str(memory).startswith("batch of 32: out of memory on cpu")
    assert "smaller batch" in memory.cure
    other = runtime_error(RuntimeError("boom"), where="x", device="cuda")
    assert other.exit_code == 4


@pytest.mark.parametrize("batch", [1, 7, 33, 300, 1000])
def test_batches_are_concatenated_in_order(linear: Path, batch: int) -> None:
    found = run_batches(open_session(linear), SAMPLES, batch=batch)
    np.testing.assert_allclose(found, SAMPLES @ WEIGHT, rtol=1e-6, atol=1e-6)


def test_wrong_samples_are_input_errors(linear: Path, tmp_path: Path) -> None:
    session = open_session(linear)
    cases: list[tuple[NDArray[Any], int, str]] = [
        (SAMPLES.astype(np.float64), 1, "is float32, the samples are float64"),
        (SAMPLES[:, :1], 4, r"takes \('batch', 2\), the samples are \(4, 1\)"),
        (SAMPLES[..., None], 4, "the samples are"),
        (SAMPLES[:0], 4, "no samples to run"),
        (SAMPLES, 0, "a batch of 0"),
    ]
    for inputs, batch, words in cases:
        with pytest.raises(InputError, match=words):
            run_batches(session, inputs, batch=batch)
    fixed = open_session(save(linear_model(WEIGHT, batch=4), tmp_path / "fixed.onnx"))
    assert run_batches(fixed, SAMPLES, batch=4).shape == (300, 3)
    with pytest.raises(InputError, match="the model takes"):
        run_batches(fixed, SAMPLES, batch=2)
    with pytest.raises(InputError, match="leave a rest"):
        run_batches(fixed, SAMPLES[:6], batch=4)


def test_a_second_input_and_a_lost_batch_axis_are_named(tmp_path: Path) -> None:
    model = linear_model(WEIGHT)
    model.graph.input.append(helper.make_tensor_value_info("mask", 1, ["batch"]))
    with pytest.raises(InputError, match=r"takes 2 inputs \('features', 'mask'\)"):
        run_batches(open_session(save(model, tmp_path / "two.onnx")), SAMPLES, batch=1)
    summed = linear_model(WEIGHT)
    summed.graph.node[0].output[0] = "all"
    summed.graph.node.append(helper.make_node("ReduceSum", ["all"], ["scores"], keepdims=0))
    summed.graph.output[0].CopyFrom(helper.make_tensor_value_info("scores", 1, []))
    with pytest.raises(InputError, match="its first axis must be the batch"):
        run_batches(open_session(save(summed, tmp_path / "sum.onnx")), SAMPLES, batch=4)


def _scores(x: NDArray[np.float32]) -> NDArray[Any]:
    scores: NDArray[Any] = x @ WEIGHT.astype(np.float32)
    return scores


def test_parity_of_the_same_function_passes_at_each_batch(linear: Path) -> None:
    parity = check_parity(_scores, open_artifact(linear), inputs=SAMPLES, atol=1e-6, rtol=1e-5)
    assert parity.passed
    assert (parity.samples, parity.batches, parity.top1_agreement) == (300, (1, 2, 33), 1.0)
    assert parity.max_abs_diff < 1e-6


def _shifted(x: NDArray[np.float32]) -> NDArray[Any]:
    return _scores(x) + np.float32(0.25)


def _swapped(x: NDArray[np.float32]) -> NDArray[Any]:
    return np.flip(_scores(x), axis=1)


def _batch_dependent(x: NDArray[np.float32]) -> NDArray[Any]:
    return np.asarray(_scores(x) + _scores(x.mean(axis=0, keepdims=True)))


def _not_a_number(x: NDArray[np.float32]) -> NDArray[Any]:
    return np.where(np.arange(len(x))[:, None] == 1, np.nan, _scores(x))


def _other_shape(x: NDArray[np.float32]) -> NDArray[Any]:
    return _scores(x)[..., None]


@pytest.mark.parametrize(
    ("reference", "difference", "agreement"),
    [
        (_shifted, 0.25, 1.0),
        (_swapped, None, None),
        (_batch_dependent, None, None),
        (_not_a_number, float("inf"), None),
        (_other_shape, float("inf"), 0.0),
    ],
)
def test_parity_of_another_function_fails_and_says_how_much(
    linear: Path,
    reference: Callable[[NDArray[np.float32]], NDArray[Any]],
    difference: float | None,
    agreement: float | None,
) -> None:
    parity = check_parity(reference, open_artifact(linear), inputs=SAMPLES, atol=1e-4, rtol=1e-4)
    assert not parity.passed
    assert parity.max_abs_diff == pytest.approx(difference or parity.max_abs_diff, rel=1e-4)
    assert parity.max_abs_diff > 0.01
    if agreement is not None:
        assert parity.top1_agreement == agreement


def test_parity_is_judged_by_atol_plus_rtol_times_the_reference(linear: Path) -> None:
    artifact = open_artifact(linear)
    ones = np.ones((1, 2), np.float32)  # scores 1, 1, 1
    for atol, rtol, passed in [
        (0.11, 0, True),
        (0.09, 0, False),
        (0, 0.11, True),
        (0, 0.08, False),
    ]:
        parity = check_parity(
            lambda x: _scores(x) + np.float32(0.1), artifact, inputs=ones, atol=atol, rtol=rtol
        )
        assert parity.passed is passed
    assert parity.samples == 1


def test_few_samples_are_repeated_to_fill_the_largest_batch(linear: Path) -> None:
    seen: list[int] = []

    def reference(x: NDArray[np.float32]) -> NDArray[Any]:
        seen.append(len(x))
        return _scores(x)

    artifact = open_artifact(linear)
    parity = check_parity(reference, artifact, inputs=SAMPLES[:5], atol=1e-6, rtol=1e-5)
    assert (parity.passed, parity.samples, seen) == (True, 5, [33])
    with pytest.raises(InputError, match="parity needs samples"):
        check_parity(reference, artifact, inputs=SAMPLES[:0], atol=1, rtol=1)
