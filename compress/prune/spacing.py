"""Which of a row of layers are kept where they are to lie evenly."""

from __future__ import annotations


def kept_layers(total: int, keep: int) -> tuple[int, ...]:
    """`keep` of 0..total-1, evenly spaced, with the last; the first too where two or more are kept.

    6 -> 3 gives (0, 2, 5), 6 -> 2 gives (0, 5). ValueError unless 1 <= keep <= total.
    """
    if not 1 <= keep <= total:
        raise ValueError(f"{keep} of {total} layers can't be kept")
    if keep == 1:
        return (total - 1,)
    return tuple(index * (total - 1) // (keep - 1) for index in range(keep))
