"""Budgets on time: ratios by the limit test over epochs, absolute ones by an interval."""

from __future__ import annotations

import random
from typing import Any

import pytest
from gate_sample import budget, report

from compress.gate.judge import judge
from compress.gate.latency_rules import percentile_interval
from compress.values import Verdict


def verdict(evidence: Any = None, **fields: Any) -> Verdict:
    return judge(evidence or report(), [budget(**fields)])[0]


@pytest.mark.parametrize(
    ("ratio", "limit", "status"),
    [
        (-2.5, {"min_speedup": "8x"}, "pass"),
        (-2.5, {"min_speedup": "16x"}, "violated"),
        (-2.5, {"min_speedup": "12.18x"}, "inconclusive"),
        (-2.5, {"max_ratio": "0.1x"}, "pass"),
        (-2.5, {"max_ratio": "0.05x"}, "violated"),
        (0.0, {"max_increase": "3%"}, "pass"),
        (0.1, {"max_increase": "3%"}, "violated"),
    ],
)
def test_a_time_ratio_is_judged_by_the_limit_test(
    ratio: float, limit: dict[str, str], status: str
) -> None:
    rng = random.Random(7)
    noisy = report(log_ratios=[ratio + rng.gauss(0, 0.01) for _ in range(12)])
    found = verdict(noisy, metric="latency.p50", vs="teacher", **limit)
    assert found.status == status
    assert "paired, " in found.reason
    assert "12 epochs, cpu, batch 1, 1 thread, 2.4 ms -> 0.2 ms" in found.reason


def test_throughput_is_the_same_ratio() -> None:
    assert verdict(metric="throughput", vs="teacher", min_speedup="8x").status == "pass"
    assert verdict(metric="throughput", vs="teacher", min_speedup="20x").status == "violated"


def test_few_epochs_are_never_a_pass() -> None:
    found = verdict(
        report(log_ratios=[-2.5] * 9), metric="latency.p50", vs="teacher", min_speedup="2x"
    )
    assert found.status == "inconclusive"
    assert "a comparison need 10 epochs, there are 9" in found.reason
    assert "raise bench.epochs" in found.reason


@pytest.mark.parametrize(
    ("epochs", "cure"),
    [(32, "raise bench.epochs"), (96, "run it again when less else runs, or move the limit")],
)
def test_an_open_limit_says_what_helps(epochs: int, cure: str) -> None:
    rng = random.Random(3)
    noisy = report(log_ratios=[rng.gauss(0.02, 0.02) for _ in range(epochs)])
    found = verdict(noisy, metric="latency.p50", vs="teacher", max_increase="2%")
    assert found.status == "inconclusive"
    assert found.reason.startswith(f"the limit is within the noise; {cure}")


def test_budgets_on_time_share_the_level() -> None:
    fields = {"metric": "latency.p50", "vs": "teacher", "min_speedup": "2x"}
    many = [budget(**{**fields, "id": f"b{n}"}) for n in range(5)]
    found = judge(report(log_ratios=[-2.5] * 12), many)
    assert {v.status for v in found} == {"inconclusive"}
    assert "5 budgets on time together need 13 epochs, there are 12" in found[0].reason
    assert {v.status for v in judge(report(log_ratios=[-2.5] * 13), many)} == {"pass"}


def test_a_copy_is_exactly_as_fast() -> None:
    same = report(log_ratios=(), verdict="identical")
    fields = {"metric": "latency.p50", "vs": "teacher"}
    assert verdict(same, **fields, max_increase="0%").status == "pass"
    assert verdict(same, **fields, min_speedup="1.01x").status == "violated"


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({"metric": "latency.p50", "max": "0.3ms"}, "pass"),
        ({"metric": "latency.p50", "max": "0.15ms"}, "violated"),
        ({"metric": "latency.p50", "max": "0.2ms"}, "pass"),
        ({"metric": "latency.p50", "max": "0.1999ms"}, "inconclusive"),
        ({"metric": "throughput", "min": 4000}, "pass"),
        ({"metric": "throughput", "min": 6000}, "violated"),
    ],
)
def test_absolute_times_are_judged_by_an_interval_over_epochs(
    fields: dict[str, Any], status: str
) -> None:
    spread = (0.2, 0.21, 0.19, 0.2, 0.205, 0.21, 0.19, 0.2, 0.195, 0.2, 0.2, 0.2)
    assert verdict(report(student_ms=spread), **fields).status in (status, "inconclusive")
    steady = report(student_ms=[0.2] * 12)
    expected = "violated" if status == "inconclusive" else status
    assert verdict(steady, **fields).status == expected


def test_p95_needs_sixteen_epochs() -> None:
    found = verdict(metric="latency.p95", max="1ms")
    assert found.status == "inconclusive"
    assert "p95 needs 130 calls in 16 epochs, there are 240 in 12" in found.reason
    assert verdict(report(student_ms=[0.2] * 16), metric="latency.p95", max="1ms").status == "pass"
    assert verdict(report(student_ms=[2.0] * 16), metric="latency.p95", max="1ms").status == (
        "violated"
    )


def test_a_pooled_percentile_resamples_whole_epochs() -> None:
    import numpy as np

    rng = np.random.default_rng(3)
    epochs = [rng.lognormal(0, 0.3, size=200) for _ in range(20)]
    low, high = percentile_interval(epochs, 95, level=0.9, seed=1)
    picks = np.random.default_rng(1).integers(20, size=(2000, 20))
    plain = [
        np.percentile(np.concatenate([epochs[i] for i in row]), 95, method="inverted_cdf")
        for row in picks
    ]
    assert (low, high) == tuple(np.percentile(plain, [5, 95]))
