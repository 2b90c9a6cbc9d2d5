"""What the means over parts of a batch weigh, so that they add up to the mean over all of it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Shares:
    """A term of a loss is a mean over one of these, and is multiplied by that share.

    answers: rows of outputs, which are samples, or the real frames of streams. samples: of
    features with one vector or map each. tokens: that are no padding.
    """

    answers: float = 1.0
    samples: float = 1.0
    tokens: float = 1.0


WHOLE = Shares()


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """How many of each a batch, or a part of one, holds; as in Shares."""

    answers: int
    samples: int
    tokens: int

    def shares_of(self, whole: Counts, *, processes: int = 1) -> Shares:
        """Of a batch that several processes divide among them: those take the mean of their
        gradients, so the share of each is that many times as large."""

        def share(part: int, total: int) -> float:
            return processes * max(1, part) / max(1, total)  # the means divide by one at least

        return Shares(
            answers=share(self.answers, whole.answers),
            samples=share(self.samples, whole.samples),
            tokens=share(self.tokens, whole.tokens),
        )
