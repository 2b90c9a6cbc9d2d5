"""What counts as good, row by row and over all rows. Pure: lines in, words out."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks.suites.peers.sides import FLOAT, OURS, PEERS

Row = Mapping[str, Any]
SLOWER = 1.02  # upper bound of the ratio of times that still counts as "not slower"
WORSE = 0.003  # of accuracy; of the logit cosine where weights are random
SHARE = 0.8  # of the rows that must hold: 8 of 10
SPEEDUP, COSINE = 1.8, 0.99  # over the listed networks against float: geometric mean; each
_Z = 1.96
_SLACK = 1e-9


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """missed: what a row lacks, in words; nothing where it holds. gap: our value (accuracy, or the
    logit cosine) less that of the best peer, with its 95 % interval; None without a peer."""

    missed: tuple[str, ...]
    gap: tuple[float, float, float] | None

    @property
    def holds(self) -> bool:
        return not self.missed


def judged(row: Row) -> Verdict:
    """A row holds where ours is slower than neither float nor any rival, and its accuracy is at
    most 0.3 pp below that of the most accurate peer. Where weights are random, the logit cosine
    stands for accuracy.

    A rival is a peer's file that is not itself more than 0.3 pp below ours: a fast file with wrong
    answers is none. The best of three is picked after the test, which flatters the peers.
    """
    if "error" in row:
        return Verdict(missed=(f"failed: {row['error']}",), gap=None)
    sides, speed = row["sides"], row["speed"]
    peers = [side for side in PEERS if side in sides]
    missed = [f"{side} gave no file: {why}" for side, why in row["failed"].items() if not peers]
    for side in (FLOAT, *peers):
        is_rival = side == FLOAT or sides[side]["ours_above"][0] <= WORSE + _SLACK
        if is_rival and speed[side]["high"] > SLOWER:
            missed.append(
                f"{speed[side]['ratio']:.2f} of the time of {side} "
                f"({speed[side]['low']:.2f} to {speed[side]['high']:.2f})"
            )
    gap = None
    if peers:
        best = max(peers, key=lambda side: sides[side]["value"])
        gap = _gap(*sides[best]["ours_above"])
        if gap[0] < -WORSE - _SLACK:
            missed.append(
                f"{-100 * gap[0]:.2f} pp below {best} "
                f"({-100 * gap[2]:.2f} to {-100 * gap[1]:.2f} pp)"
            )
    return Verdict(missed=tuple(missed), gap=gap)


def _gap(mean: float, error: float) -> tuple[float, float, float]:
    return mean, mean - _Z * error, mean + _Z * error


def speedups(rows: Sequence[Row], kind: str) -> list[float]:
    """Of ours over float, for the rows of a kind."""
    return [
        1 / row["speed"][FLOAT]["ratio"]
        for row in rows
        if row["kind"] == kind and "error" not in row
    ]


def geometric_mean(values: Sequence[float]) -> float:
    """NaN for none."""
    return math.exp(sum(map(math.log, values)) / len(values)) if values else math.nan


def shortcomings(rows: Sequence[Row], *, wanted: int) -> list[str]:
    """What keeps the table from what was asked for; nothing where it has it. wanted: networks."""
    found = []
    if len(rows) < wanted:
        found.append(f"{wanted - len(rows)} of {wanted} networks are not done")
    held = sum(judged(row).holds for row in rows)
    if held < SHARE * len(rows):
        found.append(f"{held} of {len(rows)} rows hold, {math.ceil(SHARE * len(rows))} are due")
    listed = [row for row in rows if row["kind"] == "listed" and "error" not in row]
    slow = [row["network"] for row in listed if row["speed"][FLOAT]["high"] > SLOWER]
    if slow:
        found.append(f"not proven to be no slower than float: {', '.join(slow)}")
    far = [row["network"] for row in listed if row["sides"][OURS]["cosine"] < COSINE]
    if far:
        found.append(f"logit cosine below {COSINE}: {', '.join(far)}")
    mean = geometric_mean(speedups(rows, "listed"))
    if not mean >= SPEEDUP:
        found.append(f"{mean:.2f}x over float in the geometric mean, {SPEEDUP}x are due")
    return found
