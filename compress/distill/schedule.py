"""One-cycle learning rate (Smith and Topin, 2018) as a pure function of the step.

Nothing to save and nothing to restore: a resumed run asks for the rate of its step.
"""

from __future__ import annotations

import math

START_DIVISOR = 10.0  # the first rate is peak / 10
END_DIVISOR = 1000.0  # the last rate is peak / 1000


def one_cycle(step: int, *, steps: int, peak: float, warmup: float) -> float:
    """Cosine rise over the first `warmup` part of all steps, then cosine fall. step: 0-based."""
    top, last = warmup * steps - 1, float(steps - 1)
    if step <= top:
        return _cosine(peak / START_DIVISOR, peak, step / top if top > 0 else 1.0)
    return _cosine(peak, peak / END_DIVISOR, (step - top) / (last - top) if last > top else 1.0)


def _cosine(start: float, end: float, part: float) -> float:
    return end + (start - end) / 2.0 * (math.cos(math.pi * part) + 1.0)
