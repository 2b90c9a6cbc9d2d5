"""What a line on time says besides its verdict: what could be seen, what a call costs at least."""

from __future__ import annotations

import dataclasses

import pytest
from gate_sample import B1, budget, report

from benchmarks.values import Floor
from compress.gate.judge import judge
from compress.gate.wording import detectable
from compress.values import Report


def _report(*, floor_ms: float | None = 0.005, seen: float | None = 0.013) -> Report:
    found = report()
    assert found.measured is not None
    measured = dataclasses.replace(
        found.measured,
        floors=() if floor_ms is None else (Floor(setting=B1, p50_ms=floor_ms),),
        comparisons=tuple(
            dataclasses.replace(one, smallest_detectable=seen) for one in found.measured.comparisons
        ),
    )
    return dataclasses.replace(found, measured=measured)


@pytest.mark.parametrize("limit", ["8x", "12.18x", "16x"])
def test_a_ratio_says_what_could_be_seen_whatever_its_verdict(limit: str) -> None:
    found = judge(_report(), [budget(metric="latency.p50", vs="teacher", min_speedup=limit)])[0]
    assert found.reason.endswith(
        "2.4 ms -> 0.2 ms (empty model: 5 us), a change of 1.3 % could be seen"
    )


def test_a_time_below_a_millisecond_has_the_empty_model_beside_it() -> None:
    limit = budget(metric="latency.p50", max="1ms")
    found = judge(_report(), [limit])[0]
    assert found.reason == ("interval over 12 epochs, cpu, batch 1, 1 thread (empty model: 5 us)")
    assert judge(_report(floor_ms=None), [limit])[0].reason.endswith("batch 1, 1 thread")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({}, "a change of 1.3 % could be seen"),
        ({"smallest_detectable": None}, "too noisy for any change to be seen"),
        (
            {"smallest_detectable": None, "log_ratios": (0.0,) * 9},
            "no change could be seen: 10 epochs are the fewest",
        ),
        ({"verdict": "identical", "smallest_detectable": None, "log_ratios": ()}, ""),
    ],
)
def test_a_comparison_says_what_it_could_have_shown(change: dict[str, object], words: str) -> None:
    measured = _report().measured
    assert measured is not None
    found = dataclasses.replace(measured.comparisons[0], **change)  # type: ignore[arg-type]
    assert detectable(found) == words
