"""Names beside dots, each where it lies on no other name and on no dot."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from compress.report.charts.svg import text_width

_HEIGHT = 15.0  # of a line of text with its air
_STEP = 6.0
_OFFSETS = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Box:
    """A part of the picture that is taken, in px."""

    left: float
    right: float
    top: float
    bottom: float

    def meets(self, other: Box) -> bool:
        """Whether the two overlap."""
        return (
            self.left < other.right
            and other.left < self.right
            and self.top < other.bottom
            and other.top < self.bottom
        )


def dot_box(x: float, y: float, radius: float) -> Box:
    """Room of a dot."""
    return Box(left=x - radius, right=x + radius, top=y - radius, bottom=y + radius)


def text_box(start: float, baseline: float, words: str) -> Box:
    """Room of a text that begins at `start`."""
    return Box(
        left=start,
        right=start + text_width(words),
        top=baseline - _HEIGHT + 3,
        bottom=baseline + 3,
    )


def place_name(
    words: str, x: float, y: float, radius: float, *, left: float, right: float, taken: list[Box]
) -> tuple[float, float]:
    """(start, baseline) of a name: right of its dot, left, above or below, then further away.

    Its box is added to `taken`. A text that is wider than the picture begins at `left`.
    """
    positions = [
        (start, baseline)
        for start, baseline in _around(words, x, y, radius, left, right)
        if start >= left and start + text_width(words) <= right
    ] or [(left, y - radius - 6)]
    chosen = next(
        (
            (start, baseline)
            for start, baseline in positions
            if not any(text_box(start, baseline, words).meets(box) for box in taken)
        ),
        positions[0],
    )
    taken.append(text_box(*chosen, words))
    return chosen


def _around(
    words: str, x: float, y: float, radius: float, left: float, right: float
) -> Iterator[tuple[float, float]]:
    """Nearest first. A little above the middle: the stairs leave a dot to its right."""
    room = text_width(words)
    beside = (x + radius + 6, x - radius - 6 - room)
    centred = min(max(x - room / 2, left), right - room)
    for start in beside:
        yield start, y - 4
    yield centred, y - radius - 6
    yield centred, y + radius + 15
    for step in range(1, _OFFSETS):
        for shift in (-_STEP * step, _STEP * step):
            for start in (*beside, centred):
                yield start, y - 4 + shift
