"""Budgets on embeddings: how the student keeps the teacher's similarities."""

from __future__ import annotations

from math import atanh

from compress.gate.finding import Finding, unmeasured
from compress.gate.lookup import STUDENT, TEACHER
from compress.gate.metric_rules import needed_units, told_needed
from compress.gate.wording import apart, plain, signed
from compress.recipe.catalogue import Limit
from compress.values import Fidelity, Report

_NEARLY_ONE = 1.0 - 1e-12  # atanh stays finite


def judge_fidelity(report: Report, limit: Limit) -> Finding:
    """Spearman's correlation over all pairs of test samples against `min`: its lower bound decides,
    its upper one convicts."""
    found = next(
        (f for f in report.fidelities if (f.reference, f.candidate) == (TEACHER, STUDENT)), None
    )
    if found is None:
        return unmeasured("the embeddings of teacher and student were not compared")
    low, high = found.spearman_low_bound, found.spearman_high_bound
    over = "samples" if found.groups is None else f"{found.groups:,} groups"
    how = (
        f"jackknife bound over {over} at 95 %, {found.samples:,} samples, "
        f"{found.pairs:,} pairs of cosines"
    )
    observed = f"{plain(found.spearman, 4)} (at worst {apart(plain, low, limit.value)})"
    margin = signed(plain(low - limit.value))
    if low >= limit.value:
        return Finding(status="pass", observed=observed, margin=margin, reason=how)
    if high < limit.value:
        reason = f"even at best {plain(high, 4)}, {how}"
        return Finding(status="violated", observed=observed, margin=margin, reason=reason)
    reason = f"too few samples: {_enough(found, limit.value)}; {how}"
    return Finding(status="inconclusive", observed=observed, margin=margin, reason=reason)


def _enough(found: Fidelity, limit: float) -> str:
    """How many samples or groups would do, on Fisher's scale, where the error hardly depends on the
    value."""
    from compress.metrics.fidelity import MOST  # numpy: a gate may do without

    low, high = found.spearman_low_bound, found.spearman_high_bound
    if found.groups is not None and low <= -1.0:
        return f"{found.groups:,} groups say too little of others"
    value, lower, upper, allowed = (
        atanh(min(max(number, -_NEARLY_ONE), _NEARLY_ONE))
        for number in (found.spearman, low, high, limit)
    )
    needed = needed_units(value, lower, upper, allowed, found.groups or found.samples)
    unit = "" if found.groups is None else "groups "
    capped = f" (at most {MOST:,} are compared)" if needed is not None and needed > MOST else ""
    return f"the limit lies inside the bounds; {told_needed(needed, unit)}{capped}"
