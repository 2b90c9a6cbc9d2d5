"""The verdicts of a run in one word and one sentence."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from compress.values import Status, Verdict

# The worst first, as in the exit codes: an unmeasured budget hides what it would have said.
_ORDER: tuple[Status, ...] = ("unmeasured", "violated", "inconclusive", "waived", "pass")


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """status is the worst of level `error`; None where nothing was judged."""

    status: Status | None
    sentence: str
    counts: str


def outcome(verdicts: tuple[Verdict, ...]) -> Outcome:
    """Budgets of level `error` decide, and any that was not measured: that is never a pass."""
    judged = [v for v in verdicts if v.level != "off"]
    if not judged:
        return Outcome(status=None, sentence="No budgets: nothing was judged", counts="")
    warnings = [v for v in judged if _only_warns(v)]
    errors = [v for v in judged if v not in warnings and (v.level == "error" or _absent(v))]
    status: Status = next((s for s in _ORDER if any(v.status == s for v in errors)), "pass")
    counted = Counter(v.status for v in judged)
    sentence = _sentence(status, errors) if errors else "No budget of level error"
    if warnings:
        sentence += f", {_some(len(warnings), 'warning')}"
    return Outcome(
        status=status,
        sentence=sentence,
        counts=", ".join(f"{counted[s]} {s}" for s in reversed(_ORDER) if counted[s]),
    )


def _absent(verdict: Verdict) -> bool:
    return verdict.status == "unmeasured" and verdict.missing != "baseline"


def _only_warns(verdict: Verdict) -> bool:
    """Something to say that doesn't decide: level warn, or inconclusive where the budget allows."""
    if verdict.status in ("pass", "waived") or _absent(verdict):
        return False
    return verdict.level == "warn" or (
        verdict.status == "inconclusive" and verdict.on_inconclusive == "warn"
    )


def _sentence(status: Status, errors: list[Verdict]) -> str:
    hit = sum(v.status == status for v in errors)
    if status in ("pass", "waived"):
        waived = sum(v.status == "waived" for v in errors)
        head = "All budgets pass" if len(errors) > 1 else "The budget passes"
        return f"{head}, {waived} by waiver" if waived else head
    sentence = f"{hit} of {_some(len(errors), 'budget')} {_WORDS.get(status, status)}"
    for other in ("violated", "inconclusive"):
        number = sum(v.status == other for v in errors)
        if other != status and number:
            sentence += f", {number} {other}"
    return sentence


_WORDS: dict[Status, str] = {"unmeasured": "not measured"}


def _some(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
