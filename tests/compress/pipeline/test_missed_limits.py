"""A student that a search expected to meet all budgets, and the judge does not: what would do."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from pydantic import TypeAdapter

from compress.gate.judge import judge
from compress.pipeline.limits import with_limit
from compress.pipeline.missed import with_missed
from compress.recipe.nodes import Budget
from compress.report.search import search_notes
from compress.values import Report, SearchFacts
from tests.compress.report.sample import sample_report

FACTS = SearchFacts(
    chosen="residual 1x(16, 32) /2, int8", reason="best", binding=None, trials=(), stated_s=60.0
)
BUDGETS = TypeAdapter(tuple[Budget, ...]).validate_python(
    [
        {"id": "accuracy", "metric": "accuracy", "vs": "teacher", "max_drop": "1.5pp"},
        {"id": "floor", "metric": "accuracy", "min": "94%"},
        {"id": "speed", "metric": "latency.p50", "vs": "teacher", "min_speedup": "20x"},
        {"id": "time", "metric": "latency.p50", "max": "50us"},
        {"id": "size", "metric": "file_bytes", "max": "100KiB"},
        {"id": "met", "metric": "file_bytes", "max": "900KiB"},
        {"id": "told", "metric": "latency.p50", "vs": "teacher", "min_speedup": "30x",
         "level": "warn"},
    ]
)  # fmt: skip


def searched(facts: SearchFacts = FACTS) -> Report:
    return replace(sample_report(), search=facts)


def test_each_missed_budget_has_the_tightest_limit_that_passes() -> None:
    report = searched()
    facts = with_missed(report, BUDGETS, judge(report, BUDGETS))
    assert facts is not None
    found = {one.budget: one.enough for one in facts.relaxations}
    assert list(found) == ["accuracy", "floor", "speed", "time", "size"]
    by_id = {budget.id: budget for budget in BUDGETS}
    for name, enough in found.items():
        assert enough is not None
        relaxed = tuple(
            with_limit(one, enough) if one.id == name else one for one in by_id.values()
        )
        verdict = next(one for one in judge(report, relaxed) if one.budget == name)
        assert verdict.status == "pass", (name, enough)
    for name in ("accuracy", "speed", "size"):  # a step of how limits are written
        assert judge(report, (_tighter(by_id[name], str(found[name])),))[0].status != "pass"


def _tighter(budget: Budget, enough: str) -> Budget:
    field, text = enough.split(": ")
    number = re.match(r"[\d.]+", text)
    assert number is not None
    step = {"max_drop": -0.1, "min_speedup": 0.2, "max": -1.0}[field]
    return with_limit(budget, f"{field}: {float(number[0]) + step:g}{text[number.end() :]}")


def test_what_the_student_keeps_to_is_said_in_the_notes() -> None:
    report = searched()
    size = tuple(one for one in BUDGETS if one.id in ("size", "met"))
    facts = with_missed(report, size, judge(report, size))
    said = search_notes(facts, judge(report, size))
    assert "measured afresh and judged on the test set it misses `size`" in said[1]
    assert facts is not None
    assert said[2] == (
        f"This student would do at `{facts.relaxations[0].enough}` instead of max: 100KiB."
    )


def test_a_search_that_named_what_binds_keeps_its_own_words() -> None:
    own = replace(FACTS, binding="speed")
    assert with_missed(searched(own), BUDGETS, judge(searched(own), BUDGETS)) == own
    assert with_missed(sample_report(), BUDGETS, judge(sample_report(), BUDGETS)) is None


@pytest.mark.parametrize("name", ["met", "told"])
def test_nothing_is_added_for_what_is_met_or_only_warns(name: str) -> None:
    own = tuple(one for one in BUDGETS if one.id == name)
    facts = with_missed(searched(), own, judge(searched(), own))
    assert facts == FACTS


UNSEEN = TypeAdapter(tuple[Budget, ...]).validate_python(
    [
        {"id": "f1", "metric": "macro_f1", "vs": "teacher", "max_drop": "1pp"},
        {"id": "flips", "metric": "negative_flip_rate", "vs": "teacher", "max": "1%"},
        {"id": "none", "metric": "negative_flip_rate", "vs": "teacher", "max": "0%"},
        {"id": "same", "metric": "agreement", "vs": "teacher", "min": "99%"},
        {"id": "nll", "metric": "nll", "vs": "teacher", "max_ratio": "1.1x"},
        {"id": "grown", "metric": "nll", "vs": "teacher", "max_increase": "5%"},
        {"id": "worst", "metric": "worst_class_accuracy", "vs": "teacher", "max_drop": "1pp"},
        {"id": "slices", "metric": "accuracy", "vs": "teacher", "max_drop": "1pp",
         "per_slice": "class"},
    ]
)  # fmt: skip


@pytest.mark.parametrize("budget", UNSEEN, ids=lambda budget: budget.id)
def test_a_budget_that_no_search_looks_at_is_named_with_the_limit_that_is_met(
    budget: Budget,
) -> None:
    report = searched()
    before = judge(report, (budget,))
    assert before[0].status in ("violated", "inconclusive")
    facts = with_missed(report, (budget,), before)
    assert facts is not None
    (line,) = facts.relaxations
    assert not line.steered
    assert line.enough is not None
    assert judge(report, (with_limit(budget, line.enough),))[0].status == "pass"
    said = search_notes(facts, before)
    assert said[1] == f"The student misses `{budget.id}`, which a search does not look at."
    assert said[2] == f"This student would do at `{line.enough}` instead of {line.limit}."


def test_the_limit_that_is_met_is_the_measured_one_with_its_bound_and_no_looser() -> None:
    report = searched()
    (line,) = _lines(report, "flips")
    assert line == "max: 3.4%"  # 3.05 %, at most 3.35 % with 95 % certainty
    (line,) = _lines(report, "nll")
    assert line == "max_ratio: 1.49x"  # 0.2084 over 0.1441 is 1.45, and 1.49 with its bound


def _lines(report: Report, name: str) -> list[str | None]:
    own = tuple(one for one in UNSEEN if one.id == name)
    facts = with_missed(report, own, judge(report, own))
    assert facts is not None
    return [one.enough for one in facts.relaxations]
