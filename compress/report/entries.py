"""One number beside the teacher's: what the table of subjects is made of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Direction = Literal["better", "worse", "same"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One number. change compares it with the teacher's; empty where that says nothing.

    floor: what an empty model takes, beside a time below 1 ms; seen: the smallest change that the
    comparison would have shown.
    """

    text: str
    change: str = ""
    interval: str = ""
    direction: Direction = "same"
    floor: str = ""
    seen: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """label and detail say what is measured and how; one entry per subject, None: not measured."""

    label: str
    detail: str
    entries: tuple[Entry | None, ...]


def direction_of(gain: float) -> Direction:
    """gain: how many times better; the nearest percent is the same."""
    return "better" if gain > 1.01 else "worse" if gain < 0.99 else "same"
