from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize_scalar
from scipy.stats import binom, norm

from compress.metrics.tango import (
    difference_high_bound,
    difference_low_bound,
    samples_needed,
    tango_z,
)

Z95 = norm.ppf(0.95)
COUNTS = st.integers(1, 400).flatmap(
    lambda n: st.tuples(st.integers(0, n), st.integers(0, n), st.just(n))
).filter(lambda c: c[0] + c[1] <= c[2])  # fmt: skip


def _z_by_likelihood(gained: int, lost: int, n: int, d: float) -> float:
    """The score statistic from its definition: q maximises the trinomial likelihood at d."""

    def loss(q: float) -> float:
        cells = ((gained, q + d), (lost, q), (n - gained - lost, 1 - 2 * q - d))
        return -sum(count * np.log(max(share, 1e-300)) for count, share in cells if count)

    low, high = max(0.0, -d), (1 - d) / 2
    q = minimize_scalar(loss, bounds=(low, high), method="bounded", options={"xatol": 1e-12}).x
    return float((gained - lost - n * d) / np.sqrt(n * (2 * q + d * (1 - d))))


@pytest.mark.parametrize("d", [-0.2, -0.05, -0.01, 0.03, 0.1])
@pytest.mark.parametrize(
    ("gained", "lost", "n"), [(3, 12, 100), (40, 60, 1000), (1, 0, 50), (20, 5, 60)]
)
def test_statistic_is_the_score_at_the_restricted_maximum(
    gained: int, lost: int, n: int, d: float
) -> None:
    expected = _z_by_likelihood(gained, lost, n, d)
    assert tango_z(gained, lost, n, difference=d) == pytest.approx(expected, rel=1e-4, abs=1e-5)


@pytest.mark.parametrize(
    ("gained", "lost", "n", "confidence", "low", "high"),
    [(1, 7, 21, 0.975, -0.517, -0.026), (28, 25, 618, 0.95, -0.0148, 0.0247)],
)
def test_bounds_are_those_of_an_independent_implementation(
    gained: int, lost: int, n: int, confidence: float, low: float, high: float
) -> None:
    """PropCIs::scoreci.mp in R, two-sided 95 and 90 %, to the digits that its users print; the
    first are the airway hyper-responsiveness data of Bentur et al., 2009."""
    digits = 0.5 * 10.0 ** -len(str(low).split(".")[1])
    assert difference_low_bound(gained, lost, n, confidence=confidence) == pytest.approx(
        low, abs=digits
    )
    assert difference_high_bound(gained, lost, n, confidence=confidence) == pytest.approx(
        high, abs=digits
    )


def test_bound_without_discordant_samples_has_a_closed_form() -> None:
    """q = -d there, so Z = sqrt(n m / (1 - m)) and the bound is -z^2 / (n + z^2)."""
    for n in (1, 10, 1000):
        expected = -(Z95**2) / (n + Z95**2)
        assert difference_low_bound(0, 0, n) == pytest.approx(expected, rel=1e-9)


def test_measured_figures_of_the_method() -> None:
    """n = 10,000 and 5 % discordant: -0.62 pp meets 1 pp, -0.64 does not; 0.5 pp: -0.12."""
    assert difference_low_bound(219, 281, 10_000) > -0.01
    assert difference_low_bound(218, 282, 10_000) < -0.01
    assert difference_low_bound(244, 256, 10_000) > -0.005
    assert difference_low_bound(243, 257, 10_000) < -0.005


@given(COUNTS)
@settings(max_examples=80, deadline=None)
def test_bounds_are_roots_and_enclose_the_difference(counts: tuple[int, int, int]) -> None:
    gained, lost, n = counts
    low, high = difference_low_bound(gained, lost, n), difference_high_bound(gained, lost, n)
    assert -1.0 <= low <= (gained - lost) / n <= high <= 1.0
    if low > -1.0 + 1e-9:
        assert tango_z(gained, lost, n, difference=low) == pytest.approx(Z95, abs=1e-5)
    if high < 1.0 - 1e-9:
        assert tango_z(gained, lost, n, difference=high) == pytest.approx(-Z95, abs=1e-5)


@given(COUNTS)
@settings(max_examples=60, deadline=None)
def test_one_more_loss_never_raises_the_bound(counts: tuple[int, int, int]) -> None:
    gained, lost, n = counts
    if gained + lost < n:
        assert difference_low_bound(gained, lost + 1, n) <= difference_low_bound(gained, lost, n)


def test_everything_lost_is_minus_one() -> None:
    assert difference_low_bound(0, 10, 10) == -1.0
    assert difference_high_bound(10, 0, 10) == 1.0


@pytest.mark.parametrize(("n", "psi"), [(300, 0.10), (1000, 0.05), (5000, 0.02)])
def test_size_is_five_percent(n: int, psi: float) -> None:
    """At the margin itself, 20,000 draws: size .04 to .05, and never past it by chance alone."""
    margin = psi / 2
    random = np.random.default_rng(11)
    cells = [(psi - margin) / 2, (psi + margin) / 2, 1 - psi]
    draws, counts = np.unique(random.multinomial(n, cells, 20_000), axis=0, return_counts=True)
    passed = [tango_z(b, c, n, difference=-margin) >= Z95 for b, c, _ in draws.tolist()]
    size = float(counts[np.array(passed)].sum()) / 20_000
    assert 0.036 < size < 0.055


def _power(n: int, psi: float, margin: float) -> float:
    """Exact, at a true difference of 0."""
    total = 0.0
    for discordant in range(int(n * psi * 3) + 40):
        weight = binom.pmf(discordant, n, psi)
        if weight < 1e-10:
            continue
        gained = np.arange(discordant + 1)
        passed = [tango_z(b, discordant - b, n, difference=-margin) >= Z95 for b in gained]
        total += weight * float(binom.pmf(gained, discordant, 0.5)[np.array(passed)].sum())
    return total


@pytest.mark.parametrize(
    ("psi", "margin", "known"),
    [(0.02, 0.01, 1890), (0.02, 0.02, 550), (0.02, 0.03, 274), (0.05, 0.03, 526)],
)
def test_samples_needed_is_near_the_exact_number_and_enough(
    psi: float, margin: float, known: int
) -> None:
    """known: the least that an exact binomial sum gives; the formula is a little careful."""
    needed = samples_needed(margin, psi, 0.0)
    assert needed is not None
    assert known <= needed <= 1.07 * known
    assert 0.9 <= _power(needed, psi, margin) < 0.925
    assert _power(known, psi, margin) == pytest.approx(0.905, abs=0.008)


def test_samples_needed_at_the_edges() -> None:
    assert samples_needed(0.01, 0.05, 0.0) == pytest.approx(4300, rel=0.02)
    assert samples_needed(0.01, 0.05, -0.01) is None
    assert samples_needed(0.01, 0.05, -0.02) is None
    assert samples_needed(0.01, 0.0, 0.0) == pytest.approx(Z95**2 * 0.99 / 0.01, abs=1)
    better, worse = samples_needed(0.01, 0.05, 0.005), samples_needed(0.01, 0.05, -0.005)
    assert better is not None
    assert worse is not None
    assert better < 4300 < worse


@pytest.mark.parametrize("counts", [(1, 0, 0), (-1, 0, 10), (6, 5, 10)])
def test_impossible_counts_are_refused(counts: tuple[int, int, int]) -> None:
    with pytest.raises(ValueError, match="can't be"):
        difference_low_bound(*counts)


@pytest.mark.parametrize("given", [(0.0, 0.1, 0.0), (0.01, 0.01, 0.02), (0.01, 1.1, 0.0)])
def test_impossible_plans_are_refused(given: tuple[float, float, float]) -> None:
    with pytest.raises(ValueError, match="can't be"):
        samples_needed(*given)
