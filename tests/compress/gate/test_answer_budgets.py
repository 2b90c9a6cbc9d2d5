"""Budgets per slice, on F1 and losses, by groups and by the observed value alone."""

from __future__ import annotations

import dataclasses
import xml.etree.ElementTree as ElementTree
from typing import Any

import pytest
from gate_sample import budget, pair, report

from compress.gate.formats import as_markdown, junit
from compress.gate.judge import judge
from compress.gate.result import GateResult
from compress.recipe.catalogue import check_budget
from compress.values import MetricChange, MetricValue, Quality, Report, Slice, Verdict


def _slice(name: str, samples: int, lost: int, *, kind: str = "lang") -> Slice:
    right = round(0.95 * samples)
    return Slice(
        kind=kind,
        name=name,
        samples=samples,
        reference_right=right,
        candidate_right=right - lost,
        lost=lost,
        gained=0,
        lost_ids=(3, 5),
    )


def _sliced(*slices: Slice) -> Report:
    return dataclasses.replace(report(), slices=slices)


def _per_slice(evidence: Report, **fields: Any) -> Verdict:
    written = {"metric": "accuracy", "vs": "teacher", "per_slice": "lang", "max_drop": "3pp"}
    return judge(evidence, [budget(**{**written, **fields})])[0]


def test_one_slice_that_is_proven_worse_blocks_and_small_ones_are_named() -> None:
    found = _per_slice(
        _sliced(_slice("en", 2000, 20), _slice("de", 1000, 71), _slice("is", 3, 1)),
    )
    assert found.status == "violated"
    assert found.observed.startswith("lang de: -7.1 pp (Holm p ")
    assert "1 of 3 slices: lang de -7.1 pp; 1 inconclusive (too few samples): lang is" in (
        found.reason
    )
    assert [(part.name, part.status) for part in found.parts] == [
        ("lang de", "violated"),
        ("lang en", "pass"),
        ("lang is", "inconclusive"),
    ]


def test_what_only_the_false_discovery_rate_finds_is_a_warning() -> None:
    slices = _sliced(*(_slice(f"l{i}", 1000, 20) for i in range(4)), _slice("de", 1000, 42))
    found = _per_slice(slices)
    assert found.status == "pass"
    assert "1 more likely at a false discovery rate of 10 %: lang de" in found.reason
    assert found.parts[0].warning
    strict = _per_slice(slices, correction="benjamini-hochberg")
    assert strict.status == "violated"
    assert "Benjamini-Hochberg q" in strict.observed


def test_a_slice_past_the_limit_without_proof_is_not_called_a_pass() -> None:
    found = _per_slice(_sliced(_slice("en", 2000, 20), _slice("de", 1000, 32)))
    assert found.status == "pass"  # nothing is proven worse
    assert [(part.name, part.status) for part in found.parts] == [
        ("lang de", "inconclusive"),
        ("lang en", "pass"),
    ]
    assert found.parts[0].reason.startswith("too few samples to prove it: Holm p ")
    assert "1 inconclusive (too few samples): lang de" in found.reason


def test_slices_that_are_all_too_small_or_absent_are_never_a_pass() -> None:
    assert _per_slice(_sliced(_slice("is", 3, 0))).status == "inconclusive"
    absent = _per_slice(_sliced(_slice("Shirt", 500, 3, kind="class")))
    assert absent.status == "unmeasured"
    assert "there are no slices by lang; here are class" in absent.reason
    assert _per_slice(_sliced(_slice("Shirt", 500, 3, kind="class")), per_slice="all").status == (
        "pass"
    )


def test_every_slice_is_a_case_of_its_own_in_junit() -> None:
    verdict = _per_slice(
        _sliced(_slice("en", 2000, 20), _slice("d<e", 1000, 71), _slice("is", 3, 1))
    )
    result = GateResult(path="g.yaml", name="toy", digest=None, verdicts=(verdict,))
    suite = ElementTree.fromstring(junit(result))
    cases = {case.get("name"): [child.tag for child in case] for case in suite.iter("testcase")}
    assert cases == {
        "b": ["properties", "failure"],
        "b[lang d<e]": ["properties", "failure"],
        "b[lang en]": ["properties"],
        "b[lang is]": ["properties", "skipped"],
    }
    assert "lang d&lt;e" in as_markdown(result)


def _change(metric: str, before: float, difference: float, error: float) -> MetricChange:
    after, half = before + difference, 1.645 * error
    return MetricChange(
        metric=metric,
        reference_value=before,
        candidate_value=after,
        difference=difference,
        difference_low=difference - half,
        difference_high=difference + half,
        ratio=after / before,
        ratio_low=(after - half) / before,
        ratio_high=(after + half) / before,
        groups=1000,
        resamples=10_000,
    )


def _measured(*changes: MetricChange) -> Report:
    return report(pairs=(dataclasses.replace(pair(), metrics=changes),))


@pytest.mark.parametrize(
    ("fields", "status", "said"),
    [
        ({"max_drop": "3pp"}, "pass", "bootstrap bound at 95 %, 1,000 groups, 10,000 resamples"),
        ({"max_drop": "2.5pp"}, "inconclusive", "about 8,600 are needed at this spread"),
        ({"max_drop": "2pp"}, "inconclusive", "more samples are likely to show a violation"),
        ({"max_drop": "1pp"}, "violated", "even at best -1.18 pp"),
        ({"max_drop": "2pp", "test": "point"}, "pass", "without a bound"),
        ({"max_drop": "1.9pp", "test": "point"}, "violated", "without a bound"),
    ],
)
def test_a_drop_of_f1_has_three_outcomes(fields: dict[str, str], status: str, said: str) -> None:
    evidence = _measured(_change("macro_f1", 0.95, -0.02, 0.005))
    found = judge(evidence, [budget(metric="macro_f1", vs="teacher", **fields)])[0]
    assert (found.status, said in found.reason) == (status, True), found
    assert found.observed.startswith("-2 pp")


def test_a_drop_of_just_the_limit_keeps_it_whatever_floats_make_of_it() -> None:
    assert 0.85 - 0.9 < -0.05
    evidence = _measured(_change("worst_class_accuracy", 0.9, 0.85 - 0.9, 0.005))
    fields = {"metric": "worst_class_accuracy", "vs": "teacher", "test": "point"}
    found = judge(evidence, [budget(max_drop="5pp", **fields)])[0]
    assert (found.status, found.margin) == ("pass", "+0 pp")
    assert found.observed.startswith("-5 pp")
    assert judge(evidence, [budget(max_drop="4.9pp", **fields)])[0].status == "violated"


@pytest.mark.parametrize(
    ("fields", "status", "observed"),
    [
        ({"max_ratio": "1.3x"}, "pass", "1.2x (at worst 1.24x)"),
        ({"max_ratio": "1.22x"}, "inconclusive", "1.2x"),
        ({"max_ratio": "1.1x"}, "violated", "1.2x"),
        ({"max_increase": "25%"}, "pass", "+20 % (at worst +24.1 %)"),
    ],
)
def test_a_loss_is_limited_by_its_ratio(fields: dict[str, str], status: str, observed: str) -> None:
    evidence = _measured(_change("nll", 0.2, 0.04, 0.005))
    found = judge(evidence, [budget(metric="nll", vs="teacher", **fields)])[0]
    assert found.status == status
    assert found.observed.startswith(observed)


def test_an_absolute_limit_is_held_by_the_bound() -> None:
    metrics = (
        MetricValue(
            metric="worst_class_accuracy",
            value=0.8,
            low=0.77,
            high=0.83,
            groups=1000,
            resamples=10_000,
        ),
    )
    quality = Quality(
        subject="student",
        samples=1000,
        accuracy=0.9,
        accuracy_low=0.88,
        accuracy_high=0.92,
        metrics=metrics,
    )
    evidence = dataclasses.replace(report(), qualities=(quality,))
    for least, status in (("75%", "pass"), ("79%", "inconclusive"), ("85%", "violated")):
        found = judge(evidence, [budget(metric="worst_class_accuracy", min=least)])[0]
        assert found.status == status
    assert judge(evidence, [budget(metric="brier", max=0.2)])[0].status == "unmeasured"


def test_samples_of_few_groups_prove_less() -> None:
    grouped = dataclasses.replace(
        pair(), groups=100, difference_low_bound=-0.04, difference_high_bound=-0.01
    )
    fields = {"metric": "accuracy", "vs": "teacher", "max_drop": "3.5pp"}
    assert judge(report(), [budget(**fields)])[0].status == "pass"
    found = judge(report(pairs=(grouped,)), [budget(**fields)])[0]
    assert found.status == "inconclusive"
    assert "100 groups of 10,000 samples" in found.reason
    # By hand: 100 (2.926 * (0.03 / 3.29) / 0.01)^2, where 0.01 is the room between 2.5 and 3.5 pp.
    assert "too few samples: 100 groups prove a drop of at most 4 pp" in found.reason
    assert "about 720 groups are needed at these rates" in found.reason
    point = judge(report(pairs=(grouped,)), [budget(**fields, test="point")])[0]
    assert (point.status, point.observed, point.margin) == ("pass", "-2.5 pp", "+1 pp")


def test_fewer_than_five_groups_prove_nothing_and_convict_nobody() -> None:
    few = dataclasses.replace(
        pair(), groups=3, difference_low_bound=-0.026, difference_high_bound=-0.024
    )
    f1 = dataclasses.replace(_change("macro_f1", 0.95, -0.02, 0.0), groups=3)
    evidence = report(pairs=(dataclasses.replace(few, metrics=(f1,)),))
    for metric in ("accuracy", "macro_f1"):
        for drop in ("1pp", "5pp"):
            fields = {"metric": metric, "vs": "teacher", "max_drop": drop}
            found = judge(evidence, [budget(**fields)])[0]
            assert found.status == "inconclusive"
            assert "too few samples: 3 groups say too little of others" in found.reason
            point = judge(evidence, [budget(**fields, test="point")])[0]
            assert point.status == ("pass" if drop == "5pp" else "violated")


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"metric": "macro_f1", "vs": "teacher", "max_drop": "1pp", "per_slice": "x"}, "per_slice"),
        ({"metric": "accuracy", "min": "90%", "per_slice": "x"}, "per_slice"),
        ({"metric": "accuracy", "min": "90%", "test": "point"}, "test"),
        ({"metric": "accuracy", "vs": "teacher", "max_drop": "1pp", "correction": "holm"},
         "correction"),
        ({"metric": "nll", "vs": "teacher", "max_drop": "1pp"}, "max_drop"),
    ],
)  # fmt: skip
def test_keys_that_do_not_fit_are_refused(fields: dict[str, Any], field: str) -> None:
    problem = check_budget(budget(**fields))
    assert problem is not None
    assert problem.field == field
    assert problem.what
