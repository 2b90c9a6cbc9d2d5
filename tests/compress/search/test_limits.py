"""Budgets as limits of a search: what is limited, by how much, with what room."""

from __future__ import annotations

from typing import Any

import pytest

from benchmarks.screening import Screened as Timed
from benchmarks.values import Memory
from compress.pipeline.limits import Known, judged_before_training, limits_of, observed, on_accuracy
from compress.recipe.nodes import Budget

CELL = ("cpu", 1, 1)
MIB = 2**20


def budget(**about: Any) -> Budget:
    return Budget.model_validate({"id": "one", **about})


def taken(baseline: int, peak: int) -> Memory:
    return Memory(
        baseline_bytes=baseline * MIB, loaded_bytes=peak * MIB, peak_bytes=peak * MIB, batch=1
    )


KNOWN = Known(
    timed={CELL: Timed(p50_ms=0.5, reference_ms=4.0, ratio=0.125, low=0.12, high=0.13)},
    memory={CELL: (taken(30, 36), taken(30, 60))},
    size_bytes=200 * 1024,
    parameters=50_000,
    macs=1_000_000,
    teacher_bytes=800 * 1024,
)


@pytest.mark.parametrize(
    ("about", "limit", "found", "room"),
    [
        ({"metric": "memory.peak_rss", "max": "40MiB"}, 40 * MIB, 36 * MIB, 1.03),
        ({"metric": "memory.peak_rss_delta", "max": "10MiB"}, 10 * MIB, 6 * MIB, 1.03),
        (
            {"metric": "memory.peak_rss", "vs": "teacher", "max_ratio": "0.5x"},
            0.5,
            36 / 60,
            1.03,
        ),
        (
            {"metric": "memory.peak_rss_delta", "vs": "teacher", "max_ratio": "0.5x"},
            0.5,
            6 / 30,
            1.03,
        ),
        ({"metric": "latency.p50", "vs": "teacher", "min_speedup": "8x"}, 1 / 8, 0.125, 1.06),
        ({"metric": "latency.p50", "max": "2ms"}, 0.002, 0.0005, 1.06),
        ({"metric": "file_bytes", "max": "300KiB"}, 300 * 1024, 200 * 1024, 1.01),
        ({"metric": "file_bytes", "vs": "teacher", "max_ratio": "0.5x"}, 0.5, 0.25, 1.01),
        ({"metric": "throughput", "min": 1000}, 1 / 1000, 0.0005, 1.06),
        ({"metric": "params", "max": 60000}, 60_000, 50_000, 1.01),
    ],
)
def test_a_budget_is_a_limit_on_what_a_candidate_takes(
    about: dict[str, Any], limit: float, found: float, room: float
) -> None:
    one = budget(**about)
    (made,) = limits_of((one,))
    assert made.limit == pytest.approx(limit)
    assert made.room == pytest.approx(room)
    assert observed(one, KNOWN) == pytest.approx(found)


def test_accuracy_and_warnings_limit_nothing_before_training() -> None:
    others = (
        budget(metric="accuracy", vs="teacher", max_drop="2pp"),
        budget(metric="file_bytes", max="300KiB", level="warn"),
        budget(metric="file_bytes", vs="baseline", max_increase="2%"),
    )
    assert not any(map(judged_before_training, others))
    assert list(limits_of(others)) == []


@pytest.mark.parametrize("against", ["baseline", "pinned"])
def test_what_is_held_against_a_baseline_limits_no_search(against: str) -> None:
    grown = budget(metric="file_bytes", vs=against, max_increase="5%")
    drop = budget(metric="accuracy", vs=against, max_drop="1pp")
    assert not judged_before_training(grown)
    assert list(limits_of((grown,))) == []
    assert not on_accuracy(drop)
