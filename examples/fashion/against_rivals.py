"""Whom the found student of against.py is held against: pruned teachers, and networks by hand."""

from __future__ import annotations

from typing import Any

RATES = {"pruned": (0.05, 0.15), "by hand": (0.15, 0.4)}  # of trained weights and of random ones
CLOSEST = 3
LEAST = 0.98  # of the found one's time: a rival that is faster than that would be a weaker one
PRUNED = {f"pruned {ratio} %": ratio for ratio in range(90, 25, -5)}  # ever slower
BY_HAND = (
    *(((16, 32), 1), ((32, 64), 1), ((16, 32, 64), 1), ((32, 64, 96), 1), ((24, 48, 96), 1)),
    *(((16, 32), 2), ((32, 64), 2), ((16, 32, 64), 2), ((24, 48, 96), 2), ((32, 64, 128), 2)),
)
FOUND = "found"


def rivals() -> dict[str, dict[str, Any]]:
    """Name -> student node, of all that are looked at."""
    found: dict[str, dict[str, Any]] = {
        name: {"kind": "pruned", "ratio": f"{ratio}%", "scope": "uniform", "round_to": 8}
        for name, ratio in PRUNED.items()
    }
    for widths, depth in BY_HAND:
        for stride in (1, 2):
            name = f"by hand {depth}x{widths} /{stride}"
            about = {"widths": list(widths), "depth": depth, "stride": stride, "stem": 16}
            found[name] = {"kind": "factory", "name": "residual", **about}
    return found


def kind_of(name: str) -> str:
    return next(kind for kind in RATES if name.startswith(kind))
