"""Budgets on embeddings: how the student keeps the teacher's similarities."""

from __future__ import annotations

from compress.gate.finding import Finding, unmeasured
from compress.gate.lookup import STUDENT, TEACHER
from compress.gate.wording import apart, plain, signed
from compress.recipe.catalogue import Limit
from compress.values import Report


def judge_fidelity(report: Report, limit: Limit) -> Finding:
    """Spearman's correlation over all pairs of test samples against `min`: its lower bound decides,
    its upper one convicts."""
    found = next(
        (f for f in report.fidelities if (f.reference, f.candidate) == (TEACHER, STUDENT)), None
    )
    if found is None:
        return unmeasured("the embeddings of teacher and student were not compared")
    low, high = found.spearman_low_bound, found.spearman_high_bound
    how = (
        f"jackknife bound over samples at 95 %, {found.samples:,} samples, "
        f"{found.pairs:,} pairs of cosines"
    )
    observed = f"{plain(found.spearman, 4)} (at worst {apart(plain, low, limit.value)})"
    margin = signed(plain(low - limit.value))
    if low >= limit.value:
        return Finding(status="pass", observed=observed, margin=margin, reason=how)
    if high < limit.value:
        reason = f"even at best {plain(high, 4)}, {how}"
        return Finding(status="violated", observed=observed, margin=margin, reason=reason)
    reason = f"too few samples: the limit lies inside the bounds; {how}"
    return Finding(status="inconclusive", observed=observed, margin=margin, reason=reason)
