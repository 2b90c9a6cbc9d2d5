"""How embeddings keep the teacher's similarities, in words for every format."""

from __future__ import annotations

from compress.report import quantities as q
from compress.values import Fidelity, Report


def fidelity_of(report: Report, subject: str) -> Fidelity | None:
    """A subject's embeddings against the teacher's."""
    return next((found for found in report.fidelities if found.candidate == subject), None)


def spearman_words(found: Fidelity) -> tuple[str, str]:
    """0.9612, and 0.9590 to 0.9634."""
    low, high = found.spearman_low_bound, found.spearman_high_bound
    return f"{found.spearman:.4f}", f"{low:.4f} to {high:.4f}"


def fidelity_detail(report: Report) -> str:
    """2,000 samples in 60 groups, all pairs; one-sided 95 % bounds."""
    found = report.fidelities[0] if report.fidelities else None
    samples, groups = (found.samples, found.groups) if found is not None else (0, None)
    within = "" if groups is None else f" in {q.count(groups)} groups"
    return f"{q.count(samples)} samples{within}, all pairs of cosines, one-sided 95 % bounds"
