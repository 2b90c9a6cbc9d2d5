"""measure() end to end on tiny models: what is in the result, never how fast it was."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnxruntime
import pytest

import benchmarks
from benchmarks import BenchSettings, measure
from benchmarks.epochs import run_epoch
from benchmarks.measure import latency
from benchmarks.pace import Pace
from exporters.cpus import allowed_cpus
from exporters.errors import InputError, RefusedModel, RuntimeMissing
from exporters.events import Event

ROWS = np.random.default_rng(0).random((3, 4), dtype=np.float32)


def test_every_subject_has_every_cell_and_a_comparison(
    make_model: Callable[..., Path], hurried: Pace
) -> None:
    teacher, student = make_model("teacher", layers=6), make_model("student", layers=1)
    events: list[Event] = []
    found = measure(
        {"teacher": teacher, "student": student, "copy": teacher},
        inputs=ROWS,
        settings=BenchSettings(batch=(1, 8), epochs=2),
        seed=5,
        on_event=events.append,
        pace=hurried,
    )
    assert [m.subject for m in found.measurements] == ["teacher", "student", "copy"]
    for measurement in found.measurements:
        assert [cell.setting.batch for cell in measurement.cells] == [1, 8]
        assert measurement.cold_start.samples == 2
        assert measurement.cold_start.session_ms > 0
        for cell in measurement.cells:
            first, second = (len(epoch) for epoch in cell.latency.samples_ns)
            assert first == second  # calls per block were fixed before the first epoch
            assert first % 2 == 0
            assert cell.memory.batch == cell.setting.batch
            assert cell.memory.peak_bytes >= cell.memory.loaded_bytes > 0
    assert found.measurements[0].size_bytes == teacher.stat().st_size
    assert found.measurements[0].cells == found.measurements[2].cells  # timed once
    said = {(c.candidate, c.setting.batch): c for c in found.comparisons}
    assert set(said) == {(name, batch) for name in ("student", "copy") for batch in (1, 8)}
    assert len(said["student", 1].log_ratios) == 2
    assert said["student", 1].verdict == "inconclusive"  # two epochs can say nothing
    assert said["copy", 8].verdict == "identical"
    assert said["copy", 8].log_ratios == ()
    assert found.floor_ms is not None
    assert found.floor_ms > 0
    assert found.seed == 5
    assert [(f.setting.batch, f.p50_ms > 0) for f in found.floors] == [(1, True), (8, True)]
    contents = found.measurements[0].contents
    assert contents is not None
    assert (contents.operators, contents.parameters) == ({"MatMul": 6}, 96)
    assert (contents.macs, contents.tensor_bytes) == (96, {"float32": 384})
    assert contents.external_bytes == 0
    progress = [event.progress for event in events if event.progress is not None]
    assert progress == sorted(progress)
    assert progress[-1] == 1.0


def test_aa_times_a_file_against_itself(make_model: Callable[..., Path], hurried: Pace) -> None:
    model = make_model("same")
    found = measure(
        {"a": model, "b": model},
        inputs=ROWS,
        settings=BenchSettings(batch=(1,), epochs=1),
        seed=0,
        aa=True,
        pace=hurried,
    )
    (comparison,) = found.comparisons
    assert len(comparison.log_ratios) == 1
    assert found.measurements[0].cells != found.measurements[1].cells


def test_epochs_go_on_where_a_comparison_is_open(
    make_model: Callable[..., Path], hurried: Pace
) -> None:
    """Two epochs can answer nothing: the planned one is followed by one more, and no further."""
    pair = {"a": make_model("first", seed=1), "b": make_model("second", seed=2)}
    settings = BenchSettings(batch=(1, 2), epochs=1, most_epochs=2)
    found = measure(pair, inputs=ROWS, settings=settings, seed=0, pace=hurried)
    assert [len(c.log_ratios) for c in found.comparisons] == [2, 2]
    assert found.measurements[0].cold_start.samples == 2
    short = BenchSettings(batch=(1,), epochs=1, most_epochs=90, limit_s=0.001)
    found = measure(pair, inputs=ROWS, settings=short, seed=0, pace=hurried)
    assert [len(c.log_ratios) for c in found.comparisons] == [1]
    alone = measure({"a": pair["a"]}, inputs=ROWS, settings=settings, seed=0, pace=hurried)
    assert alone.measurements[0].cold_start.samples == 1


def test_a_single_model_is_measured_without_a_comparison(
    make_model: Callable[..., Path], hurried: Pace
) -> None:
    settings = BenchSettings(batch=(1,), epochs=1)
    found = measure(
        {"m": make_model("alone")}, inputs=ROWS, settings=settings, seed=0, pace=hurried
    )
    assert found.comparisons == ()
    assert len(found.measurements) == 1


def test_percentiles_need_enough_samples() -> None:
    few = latency((tuple(range(1, 65)), tuple(range(1, 66))), batch=4)
    assert few.p95_ms is None
    enough = latency((tuple(range(1_000_001, 1_000_066)),) * 2, batch=4)
    assert enough.p50_ms == pytest.approx(1.000033)
    assert enough.p95_ms == pytest.approx(1.000062, abs=1e-6)
    assert enough.throughput_per_s == pytest.approx(4 / 1.000033e-3)
    assert enough.p99_ms is None
    assert latency((tuple(range(1, 663)),), batch=1).p99_ms == pytest.approx(655.39e-6)


def test_a_missing_provider_is_exit_4(make_model: Callable[..., Path], hurried: Pace) -> None:
    if "CUDAExecutionProvider" in onnxruntime.get_available_providers():
        return  # nothing is missing here
    settings = BenchSettings(devices=("cuda",), batch=(1,), epochs=1)
    with pytest.raises(RuntimeMissing, match="CUDAExecutionProvider") as caught:
        measure({"m": make_model("gpu")}, inputs=ROWS, settings=settings, seed=0, pace=hurried)
    assert caught.value.exit_code == 4
    assert "\n" not in str(caught.value)


def test_more_threads_than_allowed_cpus_are_refused(make_model: Callable[..., Path]) -> None:
    settings = BenchSettings(threads=(1, allowed_cpus() + 1))
    with pytest.raises(InputError, match="allowed CPU"):
        measure({"m": make_model("threads")}, inputs=ROWS, settings=settings, seed=0)


def test_a_page_for_a_model_is_refused_before_anything_starts(tmp_path: Path) -> None:
    page = tmp_path / "m.onnx"
    page.write_text("<!DOCTYPE html><html></html>")
    with pytest.raises(RefusedModel, match="HTML page"):
        measure({"m": page}, inputs=ROWS, settings=BenchSettings(), seed=0)


def test_a_fixed_batch_that_is_not_asked_for_is_refused(make_model: Callable[..., Path]) -> None:
    with pytest.raises(InputError, match="measure it at batch 2"):
        measure({"m": make_model("fixed", batch=2)}, inputs=ROWS, settings=BenchSettings(), seed=0)


@pytest.mark.parametrize(
    ("wrong", "where"),
    [
        ({"batch": ()}, "bench.batch"),
        ({"batch": (0,)}, "bench.batch"),
        ({"threads": (0,)}, "bench.threads"),
        ({"epochs": 0}, "bench.epochs"),
        ({"devices": ("tpu",)}, "bench.devices"),
        ({"epochs": 12, "most_epochs": 11}, "bench.most_epochs"),
        ({"limit_s": 0.0}, "bench.limit_s"),
    ],
)
def test_settings_that_make_no_sense_name_their_key(wrong: dict[str, object], where: str) -> None:
    with pytest.raises(InputError, match=where):
        BenchSettings(**wrong)  # type: ignore[arg-type]


def test_public_names_are_functions_whoever_was_imported_first() -> None:
    assert sorted(benchmarks.__all__) == ["BenchSettings", "compare", "measure"]
    assert callable(benchmarks.measure)
    assert callable(benchmarks.compare)
    assert run_epoch.__module__ == "benchmarks.epochs"
    with pytest.raises(AttributeError, match="no attribute 'mesure'"):
        _ = benchmarks.mesure
