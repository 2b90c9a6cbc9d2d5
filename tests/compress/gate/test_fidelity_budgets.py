"""Budgets on embeddings: the bound decides, and what was not compared is unmeasured."""

from __future__ import annotations

import dataclasses

import pytest
from gate_sample import budget, report

from compress.gate.judge import exit_code, judge
from compress.values import Fidelity, Verdict


def _verdict(low: float, high: float, least: str = "0.95") -> Verdict:
    found = Fidelity(
        reference="teacher",
        candidate="student",
        samples=2000,
        pairs=1_999_000,
        spearman=(low + high) / 2,
        spearman_low_bound=low,
        spearman_high_bound=high,
        neighbours_kept=0.7,
    )
    evidence = dataclasses.replace(report(), fidelities=(found,))
    return judge(evidence, [budget(metric="spearman", vs="teacher", min=least)])[0]


@pytest.mark.parametrize(
    ("low", "high", "status"),
    [(0.951, 0.957, "pass"), (0.948, 0.954, "inconclusive"), (0.94, 0.9499, "violated")],
)
def test_the_bound_of_the_correlation_decides(low: float, high: float, status: str) -> None:
    found = _verdict(low, high)
    assert found.status == status
    assert "1,999,000 pairs of cosines" in found.reason
    assert found.limit == ">= 0.95"


def test_numbers_are_told_apart_from_the_limit() -> None:
    found = _verdict(0.9499, 0.9599)
    assert found.observed == "0.9549 (at worst 0.9499)"
    assert found.margin == "-0.0001"


def test_embeddings_that_were_not_compared_never_pass() -> None:
    verdicts = judge(report(), [budget(metric="spearman", vs="teacher", min="0.5")])
    assert verdicts[0].status == "unmeasured"
    assert exit_code(verdicts) == 2
