"""Budgets on embeddings: the bound decides, and what was not compared is unmeasured."""

from __future__ import annotations

import dataclasses

import pytest
from gate_sample import budget, report

from compress.gate.judge import exit_code, judge
from compress.values import Fidelity, Verdict


def _verdict(
    low: float, high: float, least: str = "0.95", *, samples: int = 2000, groups: int | None = None
) -> Verdict:
    found = Fidelity(
        reference="teacher",
        candidate="student",
        samples=samples,
        groups=groups,
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


def test_what_is_open_says_how_many_samples_would_do() -> None:
    """For 0.951 between 0.948 and 0.954, on Fisher's scale: the error is 0.06284 / 3.290 = 0.01910,
    the room 0.01036, and 2,000 (2.926 x 0.01910 / 0.01036)^2 = 58,250. Three digits are rounded up.
    """
    said = _verdict(0.948, 0.954).reason
    assert said.startswith(
        "too few samples: the limit lies inside the bounds; about 59,000 are needed at this spread "
        "(at most 2,000 are compared); jackknife bound over samples at 95 %, 2,000 samples"
    )
    # 0.955 between 0.94 and 0.97, limit 0.945: (2.926 x 0.10768 / 0.10290)^2 = 9.38 times.
    few = _verdict(0.94, 0.97, "0.945", samples=150).reason
    assert "; about 1,500 are needed at this spread; jackknife" in few
    past = "the observed value is past it, and more samples are likely to show a violation"
    assert past in _verdict(0.94, 0.954).reason


def test_groups_are_what_is_counted_and_too_few_have_no_bound() -> None:
    found = _verdict(0.94, 0.97, "0.945", groups=75).reason
    assert "about 710 groups are needed at this spread; jackknife bound over 75 groups" in found
    few = _verdict(-1.0, 1.0, least="0.5", groups=3)
    assert few.status == "inconclusive"
    assert few.reason.startswith("too few samples: 3 groups say too little of others; ")


def test_embeddings_that_were_not_compared_never_pass() -> None:
    verdicts = judge(report(), [budget(metric="spearman", vs="teacher", min="0.5")])
    assert verdicts[0].status == "unmeasured"
    assert exit_code(verdicts) == 2
