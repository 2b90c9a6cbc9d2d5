"""Warm-up of a loss: its weight rises linearly over the first steps."""

from __future__ import annotations


def ramp(progress: float, warmup: float) -> float:
    """The share of the full weight: progress (0 to 1 of all steps) / warmup, at most 1.

    Without a warm-up it is 1 from the first step on.
    """
    return 1.0 if progress >= warmup else progress / warmup
