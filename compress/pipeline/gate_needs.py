"""What the budgets of a gate ask of answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from compress.gate.lookup import TEACHER
from compress.gate.metric_rules import BOOTSTRAPPED
from compress.recipe.catalogue import METRICS
from compress.recipe.nodes import Budget

_OF_PAIRS = ("agreement", "negative_flip_rate", "spearman")


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerNeeds:
    """budgets: all on answers that are not off, for what is kept of answers is of one time and
    machine; lacking: those among them that have no evidence yet."""

    budgets: tuple[Budget, ...]
    lacking: tuple[Budget, ...]

    @property
    def resampled(self) -> bool:
        """Whether a metric is asked for that resamples alone can bound."""
        return any(budget.metric in BOOTSTRAPPED for budget in self.budgets)

    def sliced(self, reference: str) -> bool:
        """Whether the student is held against a reference slice by slice."""
        return any(b.per_slice is not None and b.vs == reference for b in self.budgets)


def answer_needs(budgets: Sequence[Budget], lacking: Sequence[Budget]) -> AnswerNeeds:
    """Of all budgets of a gate, and of those that lack evidence."""
    return AnswerNeeds(
        budgets=tuple(b for b in budgets if b.level != "off" and on_answers(b)),
        lacking=tuple(b for b in lacking if on_answers(b)),
    )


def on_answers(budget: Budget) -> bool:
    """Whether a budget is judged by what models answer, and nothing is timed for it."""
    return METRICS[budget.metric].source == "answers"


def reference_of(budget: Budget) -> str | None:
    """Whose file or answers a budget needs besides the student's; `vs` may be left out of what says
    nothing of one model alone."""
    return budget.vs or (TEACHER if budget.metric in _OF_PAIRS else None)
