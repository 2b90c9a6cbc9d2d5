"""Learning rates as pure functions of the step.

Nothing to save and nothing to restore: a resumed run asks for the rate of its step.
"""

from __future__ import annotations

import math
from typing import Literal, assert_never

START_DIVISOR = 10.0  # one-cycle: the first rate is peak / 10
END_DIVISOR = 1000.0  # one-cycle: the last rate is peak / 1000


def rate_at(
    step: int,
    *,
    schedule: Literal["one-cycle", "cosine", "constant"],
    steps: int,
    peak: float,
    warmup: float,
) -> float:
    """The learning rate of a step (0-based) of `steps`; warmup is a part of them."""
    match schedule:
        case "one-cycle":
            return one_cycle(step, steps=steps, peak=peak, warmup=warmup)
        case "cosine":
            return cosine(step, steps=steps, peak=peak, warmup=warmup)
        case "constant":
            return constant(step, steps=steps, peak=peak, warmup=warmup)
        case _:
            assert_never(schedule)


def one_cycle(step: int, *, steps: int, peak: float, warmup: float) -> float:
    """Cosine rise over the first `warmup` part of all steps, then cosine fall. step: 0-based.

    Smith and Topin, 2018.
    """
    top, last = warmup * steps - 1, float(steps - 1)
    if step <= top:
        return _cosine(peak / START_DIVISOR, peak, step / top if top > 0 else 1.0)
    return _cosine(peak, peak / END_DIVISOR, (step - top) / (last - top) if last > top else 1.0)


def cosine(step: int, *, steps: int, peak: float, warmup: float) -> float:
    """Straight rise over ceil(warmup * steps) steps, then cosine fall towards 0.

    Loshchilov and Hutter, 2017, without restarts; the rate of step number `steps` would be 0.
    """
    rising = math.ceil(warmup * steps)
    if step < rising:
        return peak * (step + 1) / rising
    return _cosine(peak, 0.0, (step - rising) / max(1, steps - rising))


def constant(step: int, *, steps: int, peak: float, warmup: float) -> float:
    """Straight rise over ceil(warmup * steps) steps, then the peak for ever."""
    rising = math.ceil(warmup * steps)
    return peak * (step + 1) / rising if step < rising else peak


def _cosine(start: float, end: float, part: float) -> float:
    return end + (start - end) / 2.0 * (math.cos(math.pi * part) + 1.0)
