"""What a search found, in words: for the page, the table of a pull request and the terminal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from compress.report import quantities as q
from compress.values import Relaxation, SearchFacts, Verdict

BOOKKEEPING = "bookkeeping"
PARTS = 3  # of where the time went, in one line


def search_notes(facts: SearchFacts | None, verdicts: Sequence[Verdict] = ()) -> tuple[str, ...]:
    """How long the search took and for what; where nothing was expected to meet the budgets, which
    one binds and by how little each, alone, would have to give way, or that all were met after
    all; where it expected too much, the limits that the student keeps to."""
    return () if facts is None else tuple(_lines(facts, verdicts))


def failures(facts: SearchFacts) -> dict[str, str]:
    """Candidate -> why it can't be made, or why a training of it failed."""
    trained = {trial.name: trial.failed for trial in facts.trials if trial.failed}
    return {**trained, **facts.not_made}


def _lines(facts: SearchFacts, verdicts: Sequence[Verdict]) -> Iterator[str]:
    trained = sum(trial.accuracy is not None for trial in facts.trials)
    parts = sorted(facts.spent_s.items(), key=lambda one: -one[1])
    spent = ", ".join(f"{q.seconds(value)} {name}" for name, value in parts[:PARTS])
    whole, books = sum(facts.spent_s.values()), facts.spent_s.get(BOOKKEEPING, 0.0)
    yield (
        f"The search timed {len(facts.trials)} candidates and trained {trained}. It took "
        f"{q.seconds(whole)} of the {q.seconds(facts.stated_s)} that were stated: {spent}, "
        f"{100 * books / (whole or 1.0):.1f} % bookkeeping."
    )
    if failed := failures(facts):
        name, reason = next(iter(failed.items()))
        others = f" (in all {len(failed)}, told of on the page)" if len(failed) > 1 else ""
        yield f"A candidate failed, {name}: {reason.rstrip('.')}{others}."
    if facts.binding is None:
        yield from _late(facts.relaxations)
        return
    deciding = [one.status for one in verdicts if one.level == "error"]
    if deciding and set(deciding) == {"pass"}:
        expected = "the search, with room for noise, expected it to miss"
        if any(one.fits for one in facts.trials if one.name == facts.chosen):
            expected = "validation gave it less than 80 % power to meet"
        yield f"The student meets the budgets, although {expected} `{facts.binding}`."
        return
    yield (
        f"No candidate was found that meets all budgets; `{facts.binding}` is the one that binds, "
        "and the best candidate is what is here."
    )
    for one in facts.relaxations:
        if not one.tried:
            limit = f"`{one.budget}` ({one.limit})"
            yield f"Whether {limit} alone could give way is open: {one.reason}."
        elif one.enough is None:
            yield f"To relax `{one.budget}` ({one.limit}) alone is not enough: {one.reason}."
        else:
            yield (
                f"`{one.budget}` alone would do at `{one.enough}` instead of {one.limit}: "
                f"{one.candidate}; {one.reason}."
            )


def _late(missed: Sequence[Relaxation]) -> Iterator[str]:
    """Of a student that was expected to meet all budgets."""
    if not missed:
        return
    steered = " and ".join(f"`{one.budget}`" for one in missed if one.steered)
    unseen = " and ".join(f"`{one.budget}`" for one in missed if not one.steered)
    if steered:
        yield (
            f"The search expected this student to meet all budgets; measured afresh and judged on "
            f"the test set it misses {steered}."
        )
    if unseen:
        yield f"The student misses {unseen}, which a search does not look at."
    others = " if the others were met" if len(missed) > 1 else ""
    for one in missed:
        if one.enough is None:
            yield f"No limit of `{one.budget}` would do for this student."
        else:
            yield f"This student would do at `{one.enough}` instead of {one.limit}{others}."
