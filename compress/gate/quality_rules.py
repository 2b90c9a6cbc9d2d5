"""Budgets on answers: accuracy, agreement and flips, all from counts of the same test samples."""

from __future__ import annotations

import math
from statistics import NormalDist

from compress.gate.finding import FEWEST_GROUPS, Finding, too_few_groups, unmeasured
from compress.gate.lookup import STUDENT, TEACHER, pair_of, quality_of
from compress.gate.metric_rules import ROUNDING, judge_metric
from compress.gate.wording import apart, percent, points, signed
from compress.metrics.tango import samples_needed
from compress.recipe.catalogue import Limit, Metric
from compress.values import PairedQuality, Report

ALPHA = 0.05  # one-sided, of every accuracy test
Z_ALPHA = NormalDist().inv_cdf(1 - ALPHA)
POWER = 0.9  # of the sample size that a too small test set is told
_MOST = 100_000_000


def judge_drop(
    report: Report, limit: Limit, *, reference: str = TEACHER, point: bool = False
) -> Finding:
    """Accuracy against a reference: the true difference is above -limit (Tango's score test; over
    groups of several samples the cluster bootstrap). point: the observed difference alone decides.
    """
    pair = pair_of(report, reference)
    if pair is None:
        return _no_pair(reference)
    floor = -limit.value
    low, high = pair.difference_low_bound, pair.difference_high_bound
    flips = percent(pair.negative_flip_rate)
    most = apart(percent, pair.negative_flip_rate_upper, pair.negative_flip_rate)
    counts = (
        f"{pair.samples:,} samples, {pair.lost:,} lost, {pair.gained:,} gained, "
        f"negative flips {flips} (at most {most})"
    )
    if pair.groups is not None:
        counts = f"{pair.groups:,} groups of {counts}"
    if point:
        return point_finding(pair.difference, floor, counts)
    if pair.groups is not None and pair.groups < FEWEST_GROUPS:
        return too_few_groups(pair.groups, signed(points(pair.difference)))
    bound = "Tango" if pair.groups is None else "cluster bootstrap"
    observed = f"{signed(points(pair.difference))} (at worst {signed(apart(points, low, floor))})"
    margin = signed(points(low - floor))
    if low >= floor:
        reason = f"{bound} lower bound at 95 %, {counts}"
        return Finding(status="pass", observed=observed, margin=margin, reason=reason)
    if high < floor:
        reason = f"even the {bound} upper bound at 95 % is {signed(points(high))}, {counts}"
        return Finding(status="violated", observed=observed, margin=margin, reason=reason)
    held = f"{pair.samples:,}" if pair.groups is None else f"{pair.groups:,} groups"
    proven = f"too few samples: {held} prove a drop of at most {points(max(-low, 0.0))}"
    wanted = f"the budget is {points(limit.value)}"
    reason = f"{proven}, {wanted}: {_enough(pair, limit.value)}; {counts}"
    return Finding(status="inconclusive", observed=observed, margin=margin, reason=reason)


def point_finding(difference: float, floor: float, how: str) -> Finding:
    """The observed difference against the limit, without a proof: only by the user's word."""
    return Finding(
        status="pass" if difference >= floor - ROUNDING else "violated",
        observed=signed(apart(points, difference, floor)),
        margin=signed(points(difference - floor)),
        reason=f"`test: point`: the observed value alone, without a bound; {how}",
    )


def _enough(pair: PairedQuality, margin: float) -> str:
    """How many samples, or groups, would do, if the rates seen here are the true ones."""
    if not 0 < margin < 1:
        return "no number of samples proves equality"
    if pair.difference <= -margin:
        # More samples would not prove it: they would show the violation. Mirrored, the same test.
        over = -pair.difference - margin
        return (
            "the observed drop is above it, and more samples are likely to show a violation"
            if over > 0
            else "the observed drop is the limit itself"
        )
    psi = (pair.gained + pair.lost) / pair.samples
    needed: float | None
    needed = samples_needed(margin, psi, pair.difference, alpha=ALPHA, power=POWER)
    if pair.groups is not None:
        # Samples of one group say less, and more of the same groups would say nothing new.
        error = (pair.difference_high_bound - pair.difference_low_bound) / (2 * Z_ALPHA)
        room = margin + pair.difference
        needed = pair.groups * ((Z_ALPHA + NormalDist().inv_cdf(POWER)) * error / room) ** 2
    return _about(needed, "" if pair.groups is None else "groups ")


def _about(needed: float | None, unit: str = "") -> str:
    if needed is None or needed > _MOST:
        return "more samples than are practical are needed at this rate"
    digits = max(0, len(str(int(needed))) - 2)
    rounded = math.ceil(needed / 10**digits) * 10**digits
    return f"about {rounded:,} {unit}are needed at these rates"


def _no_pair(reference: str) -> Finding:
    return unmeasured(f"{reference} and student were not compared on the same samples")


def judge_rate(
    report: Report, metric: Metric, limit: Limit, *, reference: str = TEACHER
) -> Finding:
    """A share of test samples against `max` or `min`: exact one-sided 95 % binomial bounds."""
    if metric.name == "accuracy":
        quality = quality_of(report, STUDENT)
        if quality is None:
            return unmeasured("the student's accuracy was not measured")
        own = next((m for m in quality.metrics if m.metric == metric.name), None)
        if own is not None and own.groups < quality.samples:
            return judge_metric(report, metric, limit)
        samples, events = quality.samples, round(quality.accuracy * quality.samples)
    else:
        pair = pair_of(report, reference)
        if pair is None:
            return _no_pair(reference)
        flips = metric.name == "negative_flip_rate"
        rate = pair.negative_flip_rate if flips else pair.agreement
        # Careful where samples come in groups: as if all of a group told the same.
        samples = pair.samples if pair.groups is None else pair.groups
        events = round(rate * samples)
    return _against(samples, events, limit)


def _against(samples: int, events: int, limit: Limit) -> Finding:
    from compress.metrics.binomial import clopper_pearson_upper  # numpy: a gate may do without

    rate = events / samples
    high = clopper_pearson_upper(events, samples, confidence=1 - ALPHA)
    low = 1 - clopper_pearson_upper(samples - events, samples, confidence=1 - ALPHA)
    upward = limit.field == "min"
    careful, hopeful = (low, high) if upward else (high, low)
    room = careful - limit.value if upward else limit.value - careful
    observed = f"{percent(rate)} (at worst {apart(percent, careful, limit.value)})"
    margin = signed(points(room))
    how = f"exact binomial bound at 95 %, {events:,} of {samples:,} samples"
    if room >= 0:
        return Finding(status="pass", observed=observed, margin=margin, reason=how)
    if (hopeful < limit.value) if upward else (hopeful > limit.value):
        reason = f"even at best {percent(hopeful)}, {how}"
        return Finding(status="violated", observed=observed, margin=margin, reason=reason)
    met_here = rate > limit.value if upward else rate < limit.value
    if met_here:
        more = _about(_rate_samples(rate, limit.value))
    elif rate == limit.value:  # 0 flips with `max: 0%`: nothing was seen that violates it
        at_end = limit.value == (1.0 if upward else 0.0)
        proven = f"; no number of samples proves {percent(limit.value)}" if at_end else ""
        more = f"the observed rate is the limit itself{proven}"
    else:
        more = "the observed rate is past it, and more samples are likely to show a violation"
    reason = f"too few samples: the limit lies inside the bounds; {more}; {how}"
    return Finding(status="inconclusive", observed=observed, margin=margin, reason=reason)


def _rate_samples(rate: float, limit: float) -> float:
    """n = ((z_a sqrt(p0 q0) + z_b sqrt(p1 q1)) / (p1 - p0))^2, the normal approximation."""
    normal = NormalDist()
    null = normal.inv_cdf(1 - ALPHA) * math.sqrt(limit * (1 - limit))
    true = normal.inv_cdf(POWER) * math.sqrt(rate * (1 - rate))
    return max(1.0, ((null + true) / (rate - limit)) ** 2)
