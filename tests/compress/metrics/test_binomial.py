from __future__ import annotations

import pytest
from scipy.stats import beta, binom

from compress.metrics.binomial import clopper_pearson_upper, mcnemar_mid_p


def test_mcnemar_of_fagerland_lydersen_and_laake() -> None:
    """Their example, airway hyper-responsiveness: 1 and 7 discordant, exact mid-p .039."""
    assert mcnemar_mid_p(1, 7) == pytest.approx(0.0390625, abs=1e-12)


@pytest.mark.parametrize(("gained", "lost"), [(0, 1), (3, 3), (10, 25), (250, 330), (4000, 4200)])
def test_mcnemar_against_scipy(gained: int, lost: int) -> None:
    n, k = gained + lost, min(gained, lost)
    expected = min(1.0, 2 * binom.cdf(k, n, 0.5) - binom.pmf(k, n, 0.5))
    assert mcnemar_mid_p(gained, lost) == pytest.approx(expected, rel=1e-8)
    assert mcnemar_mid_p(lost, gained) == mcnemar_mid_p(gained, lost)


def test_mcnemar_without_discordant_samples_is_one() -> None:
    assert mcnemar_mid_p(0, 0) == 1.0


def test_mcnemar_far_out_does_not_underflow_to_an_error() -> None:
    assert 0.0 <= mcnemar_mid_p(0, 5000) < 1e-300


@pytest.mark.parametrize(
    ("events", "samples"),
    [(0, 1), (0, 299), (1, 10), (9, 10), (137, 10_000), (5000, 10_000), (9999, 10_000)],
)
def test_clopper_pearson_against_scipy(events: int, samples: int) -> None:
    for confidence in (0.95, 0.99):
        expected = beta.ppf(confidence, events + 1, samples - events)
        found = clopper_pearson_upper(events, samples, confidence=confidence)
        assert found == pytest.approx(expected, abs=1e-11)


def test_none_of_299_bounds_at_one_percent() -> None:
    assert clopper_pearson_upper(0, 299) == pytest.approx(0.009969, abs=1e-6)


def test_all_is_one() -> None:
    assert clopper_pearson_upper(10, 10) == 1.0


@pytest.mark.parametrize(("events", "samples"), [(1, 0), (-1, 10), (11, 10)])
def test_what_is_no_rate_is_refused(events: int, samples: int) -> None:
    with pytest.raises(ValueError, match="not a rate"):
        clopper_pearson_upper(events, samples)


def test_negative_counts_are_refused() -> None:
    with pytest.raises(ValueError, match="not counts"):
        mcnemar_mid_p(-1, 3)
