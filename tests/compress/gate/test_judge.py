"""Budgets to verdicts: three outcomes where there is noise, exact where there is none."""

from __future__ import annotations

import dataclasses
import random
from datetime import date
from typing import Any

import pytest
from gate_sample import budget, latency, pair, report

from compress.gate.judge import exit_code, judge, needs_samples
from compress.gate.waivers import Waiver
from compress.values import Verdict

TODAY = date(2026, 11, 24)


def verdict(evidence: Any = None, **fields: Any) -> Verdict:
    return judge(evidence or report(), [budget(**fields)])[0]


@pytest.mark.parametrize(
    ("drop", "status", "said"),
    [
        ("3.5pp", "pass", "Tango lower bound at 95 %, 10,000 samples, 305 lost, 55 gained"),
        ("2.6pp", "inconclusive", "10,000 prove a drop of at most 2.82 pp, the budget is 2.6 pp"),
        ("2pp", "violated", "even the Tango upper bound at 95 % is -2.2"),
    ],
)
def test_an_accuracy_drop_has_three_outcomes(drop: str, status: str, said: str) -> None:
    found = verdict(metric="accuracy", vs="teacher", max_drop=drop)
    assert found.status == status
    assert said in found.reason
    assert found.observed.startswith("-2.5 pp (at worst -2.82 pp")


def test_negative_flips_beside_a_drop_have_their_bound() -> None:
    for drop in ("3.5pp", "2.6pp", "2pp"):
        found = verdict(metric="accuracy", vs="teacher", max_drop=drop)
        assert found.reason.endswith("55 gained, negative flips 3.05 % (at most 3.35 %)")


def test_too_few_samples_say_how_many_would_do() -> None:
    few = report(pairs=(pair(samples=1200, lost=30, gained=30),))
    found = verdict(few, metric="accuracy", vs="teacher", max_drop="1pp")
    assert found.status == "inconclusive"
    # measuring: psi .05, margin 1 pp, D = 0 need 4,366 at a power of 90 %; rounded up
    assert "1,200 prove a drop of at most 1.0" in found.reason
    assert "about 4,400 are needed" in found.reason


def test_a_drop_is_met_at_the_bound_itself() -> None:
    at = dataclasses.replace(pair(), difference_low_bound=-0.03, difference_high_bound=-0.02)
    assert verdict(report(pairs=(at,)), metric="accuracy", vs="teacher", max_drop="3pp").status == (
        "pass"
    )
    assert verdict(report(pairs=(at,)), metric="accuracy", vs="teacher", max_drop="2pp").status == (
        "inconclusive"
    )


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({"metric": "accuracy", "min": "92%"}, "pass"),
        ({"metric": "accuracy", "min": "92.5%"}, "inconclusive"),
        ({"metric": "accuracy", "min": "93.2%"}, "violated"),
        ({"metric": "agreement", "min": "96%"}, "pass"),
        ({"metric": "agreement", "min": "97%"}, "violated"),
        ({"metric": "negative_flip_rate", "max": "3.4%"}, "pass"),
        ({"metric": "negative_flip_rate", "vs": "teacher", "max": "3.3%"}, "inconclusive"),
        ({"metric": "negative_flip_rate", "max": "2%"}, "violated"),
    ],
)
def test_rates_are_judged_by_exact_bounds(fields: dict[str, Any], status: str) -> None:
    assert verdict(**fields).status == status


@pytest.mark.parametrize(
    "fields",
    [
        {"metric": "negative_flip_rate", "max": "0%"},
        {"metric": "agreement", "min": "100%"},
    ],
)
def test_a_rate_at_its_end_is_not_called_past_the_limit(fields: dict[str, str]) -> None:
    found = verdict(report(pairs=(pair(samples=500, lost=0, gained=0),)), **fields)
    assert found.status == "inconclusive"
    end = fields.get("max") or fields["min"]
    proven = f"no number of samples proves {end.replace('%', ' %')}"
    assert f"the observed rate is the limit itself; {proven}" in found.reason


@pytest.mark.parametrize(
    ("fields", "status", "observed", "limit", "margin"),
    [
        ({"max": "100000B"}, "pass", "97.7 KiB", "<= 100000 B", "+0 B"),
        ({"max": "99999B"}, "violated", "97.656 KiB", "<= 99999 B", "-1 B"),
        ({"vs": "teacher", "max_ratio": 0.1}, "pass", "0.1x", "<= 0.1x", "+0x"),
        ({"vs": "teacher", "max_ratio": 0.0999}, "violated", "0.1x", "<= 0.0999x", "-0.0001x"),
        ({"vs": "teacher", "max_increase": "0%"}, "pass", "-90 %", "<= +0 %", "+90 pp"),
    ],
)
def test_bytes_are_exact(
    fields: dict[str, Any], status: str, observed: str, limit: str, margin: str
) -> None:
    found = verdict(metric="file_bytes", **fields)
    assert (found.status, found.observed, found.limit, found.margin) == (
        status,
        observed,
        limit,
        margin,
    )


def test_a_ratio_limit_is_the_decimal_that_is_written() -> None:
    seven = report(student_size=7, teacher_size=100)
    assert verdict(seven, metric="file_bytes", vs="teacher", max_ratio="0.07x").status == "pass"


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({"metric": "params", "max": 78042}, "pass"),
        ({"metric": "params", "max": 78041}, "violated"),
        ({"metric": "macs", "max": 1e6}, "pass"),
        ({"metric": "memory.peak_rss", "max": "44MiB"}, "pass"),
        ({"metric": "memory.peak_rss_delta", "max": "3.9MiB"}, "violated"),
        ({"metric": "memory.peak_rss_delta", "vs": "teacher", "max_ratio": "0.5x"}, "pass"),
        ({"metric": "cold_start.session", "max": "5ms"}, "pass"),
        ({"metric": "cold_start.first_call", "max": "1.9ms"}, "violated"),
        ({"metric": "parity.max_abs_diff", "max": 1e-4}, "pass"),
        ({"metric": "parity.top1_agreement", "min": "99.9%"}, "pass"),
    ],
)
def test_other_metrics(fields: dict[str, Any], status: str) -> None:
    assert verdict(**fields).status == status


NOISE = [random.Random(5).gauss(0, 0.01) for _ in range(12)]


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"metric": "latency.p50", "batch": 8, "max": "1ms"}, "not timed on cpu, batch 8"),
        ({"metric": "latency.p50", "on": "cuda", "max": "1ms"}, "add it to `bench`"),
        (
            {"metric": "latency.p50", "threads": 2, "vs": "teacher", "min_speedup": "2x"},
            "not timed together on cpu, batch 1, 2 threads",
        ),
        ({"metric": "memory.peak_rss", "batch": 8, "max": "1MiB"}, "did not run on cpu, batch 8"),
    ],
)
def test_what_was_not_measured_names_the_cure(fields: dict[str, Any], said: str) -> None:
    found = verdict(**fields)
    assert found.status == "unmeasured"
    assert said in found.reason
    assert "distil run" in found.reason
    assert exit_code([found]) == 2


@pytest.mark.parametrize(
    "fields",
    [
        {"metric": "accuracy", "vs": "teacher", "max_drop": "50pp"},
        {"metric": "agreement", "min": "0%"},
        {"metric": "file_bytes", "max": "1000MiB"},
        {"metric": "latency.p50", "vs": "teacher", "min_speedup": "0.001x"},
        {"metric": "latency.p50", "max": "60s"},
        {"metric": "cold_start.session", "max": "60s"},
    ],
)
def test_no_evidence_never_passes(fields: dict[str, Any]) -> None:
    assert verdict(report(measured=False, pairs=()), **fields).status == "unmeasured"


def test_a_cell_without_raw_samples_is_unmeasured() -> None:
    assert latency([0.2]).samples_ns
    assert verdict(report(student_ms=[0.2]), metric="latency.p50", max="1s").status == (
        "inconclusive"
    )


def test_no_baseline_is_a_code_of_its_own() -> None:
    found = verdict(metric="params", vs="baseline", max_increase="0%")
    assert found.status == "unmeasured"
    assert "no baseline" in found.reason
    assert exit_code([found]) == 5


def test_budgets_that_are_off_are_not_judged() -> None:
    assert judge(report(), [budget(metric="params", max=1, level="off")]) == ()


def test_several_reports_give_the_worst_of_those_that_measured() -> None:
    fast, slow = report(), report(log_ratios=[0.5] * 12)
    fields = {"metric": "latency.p50", "vs": "teacher", "min_speedup": "2x"}
    assert verdict([fast, slow], **fields).status == "violated"
    assert verdict([report(measured=False), fast], **fields).status == "pass"


def test_exit_codes_in_their_order() -> None:
    def of(*kinds: str) -> int:
        made = {
            "pass": budget(metric="params", max=10**6),
            "violated": budget(metric="params", max=1),
            "warned": budget(metric="params", max=1, level="warn"),
            "inconclusive": budget(metric="accuracy", min="92.5%"),
            "tolerated": budget(metric="accuracy", min="92.5%", on_inconclusive="warn"),
            "unmeasured": budget(metric="latency.p50", batch=9, max="1s", level="warn"),
            "no baseline": budget(metric="params", vs="baseline", max_ratio=1),
        }
        return exit_code(judge(report(), [made[kind] for kind in kinds]))

    assert of("pass", "warned", "tolerated") == 0
    assert of("pass", "inconclusive") == 3
    assert of("inconclusive", "no baseline") == 5
    assert of("inconclusive", "no baseline", "violated") == 1
    assert of("inconclusive", "no baseline", "violated", "unmeasured") == 2


def waiver(**fields: Any) -> Waiver:
    return Waiver.model_validate({"budget": "b", "reason": "known", "until": TODAY, **fields})


@pytest.mark.parametrize(
    ("fields", "today", "status", "said"),
    [
        ({}, TODAY, "waived", ""),
        ({}, date(2026, 11, 25), "violated", "its waiver ended on 2026-11-24"),
        ({"max": 80000}, TODAY, "waived", ""),
        ({"max": 78000}, TODAY, "violated", "its waiver reaches only to <= 78,000"),
    ],
)
def test_a_waiver_holds_until_its_day_and_as_far_as_its_limit(
    fields: dict[str, Any], today: date, status: str, said: str
) -> None:
    limited = [budget(metric="params", max=70000)]
    found = judge(report(), limited, waivers=[waiver(**fields)], today=today)[0]
    assert found.status == status
    assert said in found.reason
    assert exit_code([found]) == (0 if status == "waived" else 1)
    if status == "waived":
        assert found.waiver == "until 2026-11-24: known"


def test_nothing_unmeasured_is_waived() -> None:
    unmeasured = [budget(metric="latency.p50", batch=9, max="1s")]
    found = judge(report(), unmeasured, waivers=[waiver()], today=TODAY)
    assert found[0].status == "unmeasured"


def test_only_absolute_times_need_raw_samples() -> None:
    assert needs_samples([budget(metric="latency.p50", max="1ms")])
    assert not needs_samples([budget(metric="latency.p50", vs="teacher", min_speedup="2x")])
    assert not needs_samples([budget(metric="latency.p50", max="1ms", level="off")])
