"""Budgets per slice: many tests at once, so that a slice blocks only when it is proven worse."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

from compress.gate.finding import Finding, unmeasured
from compress.gate.wording import plain, points, signed
from compress.recipe.budget_node import Budget
from compress.recipe.catalogue import Limit
from compress.values import Part, Report, Slice

if TYPE_CHECKING:
    from compress.metrics.slice_test import SliceTest

_NAMED = 5  # in a reason; all are among the parts


def judge_slices(report: Report, budget: Budget, limit: Limit) -> Finding:
    """Accuracy of each slice against the budget's anchor: H0, its drop is at most the limit.

    Violated where Holm's p (or Benjamini-Hochberg's, if the budget says so) proves one worse; a
    slice found at a false discovery rate of 10 % alone is a warning; one past the limit without
    proof, and one too small to prove anything, is inconclusive. Where none can be tested, so is
    the budget.
    """
    known = [s for s in report.slices if s.reference == budget.vs]
    chosen = [s for s in known if budget.per_slice in ("all", s.kind)]
    absent = report.slices_absent.get(budget.vs or "", ())
    if not chosen or (budget.per_slice == "all" and absent):
        return unmeasured(_absent(known, budget, absent))
    tests = tested(chosen, limit.value)
    holm = budget.correction == "holm"
    parts = tuple(slice_part(test, limit.value, holm=holm) for test in tests)
    violated = [part for part in parts if part.status == "violated" and not part.warning]
    warned = [part for part in parts if part.status == "violated" and part.warning]
    small = [part for part in parts if part.status == "inconclusive"]
    untested = all(test.p is None for test in tests)
    worst = next((test for test in tests if test.p is not None), tests[0])
    observed = f"{_short(worst.slice)}: {_change(worst.slice)} ({_p(worst, holm=holm)})"
    room = signed(points(limit.value + _difference(worst.slice)))
    reason = _reason(len(parts), violated, warned, small, holm=holm)
    status: Literal["pass", "violated", "inconclusive"]
    status = "violated" if violated else "inconclusive" if untested else "pass"
    return Finding(status=status, observed=observed, margin=room, reason=reason, parts=parts)


def tested(slices: Sequence[Slice], margin: float) -> tuple[SliceTest, ...]:
    """The tests of all slices together, the most certain regression first, untestable ones last."""
    from compress.metrics.slice_test import run_slice_tests  # numpy: only where slices are judged

    found = run_slice_tests(slices, margin)
    return tuple(
        sorted(
            found,
            key=lambda test: (test.p is None, test.p or 0.0, _difference(test.slice)),
        )
    )


def slice_part(test: SliceTest, margin: float, *, holm: bool = True) -> Part:
    """One slice in words. warning: found, but not proven at the level that blocks."""
    one = test.slice
    counts = f"{one.samples:,} samples, {one.lost:,} lost, {one.gained:,} gained"
    if test.p is None:
        held = "" if one.spread is None else f"{plain(one.groups or 1)} groups, "
        unit = "groups " if held else ""
        enough = (
            f"about {plain(test.needed)} {unit}would do"
            if test.needed
            else "the reference is wrong"
        )
        return Part(
            name=slice_name(one),
            status="inconclusive",
            observed=_change(one),
            reason=f"too few samples: {enough}; {held}{counts}",
        )
    blocks = test.worse if holm else test.suspect
    status: Literal["pass", "violated", "inconclusive"] = "violated"
    if not (blocks or test.suspect):  # a drop past the limit that proves nothing is no pass either
        status = "inconclusive" if -_difference(one) > margin else "pass"
    short = "too few samples to prove it: " if status == "inconclusive" else ""
    return Part(
        name=slice_name(one),
        status=status,
        observed=_change(one),
        reason=f"{short}{_p(test, holm=holm)} that it loses more than {points(margin)}; {counts}",
        warning=not blocks and test.suspect,
    )


def slice_name(one: Slice) -> str:
    """class Shirt, brightness 0.1 to 0.2, corruption noise."""
    return f"{one.kind} {one.name}"


def _short(one: Slice) -> str:
    name = slice_name(one)
    return name if len(name) <= 40 else f"{name[:37]}..."


def _difference(one: Slice) -> float:
    return (one.gained - one.lost) / one.samples


def _change(one: Slice) -> str:
    return signed(points(_difference(one)))


def _p(test: SliceTest, *, holm: bool) -> str:
    if test.p is None:
        return "too few samples"
    value = test.holm if holm else test.discovery
    word = "Holm p" if holm else "Benjamini-Hochberg q"
    return f"{word} {plain(value or 0.0, 2)}" if (value or 0.0) >= 1e-4 else f"{word} < 0.0001"


def _reason(
    count: int, violated: list[Part], warned: list[Part], small: list[Part], *, holm: bool
) -> str:
    said = [f"{len(violated)} of {_slices(count)}" + _list(violated)]
    if warned:
        said.append(f"{len(warned)} more likely at a false discovery rate of 10 %" + _list(warned))
    if small:
        said.append(f"{len(small)} inconclusive (too few samples)" + _list(small, observed=False))
    how = "Holm over all slices at 5 %" if holm else "Benjamini-Hochberg at 10 %"
    return f"{'; '.join(said)}; {how}, Tango's score test, exact for few samples"


def _slices(count: int) -> str:
    return f"{count} slice" if count == 1 else f"{count} slices"


def _list(parts: list[Part], *, observed: bool = True) -> str:
    if not parts:
        return ""
    names = [f"{p.name} {p.observed}" if observed else p.name for p in parts[:_NAMED]]
    more = f" and {len(parts) - _NAMED} more" if len(parts) > _NAMED else ""
    return f": {', '.join(names)}{more}"


def _absent(known: Sequence[Slice], budget: Budget, absent: Sequence[str]) -> str:
    kinds = tuple(dict.fromkeys(one.kind for one in known))
    if not kinds:
        return f"{budget.vs} and student were not compared on slices"
    if absent and budget.per_slice in ("all", *absent):
        return f"stored answers of the {budget.vs} give no slices by {' and '.join(absent)}"
    return f"there are no slices by {budget.per_slice}; here are {', '.join(kinds)}"
