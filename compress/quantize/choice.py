"""What is asked of the choice among mixes of int8 and float, and what it answers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from compress.quantize.fidelity import Fidelity
from compress.quantize.heat import times_ms
from compress.quantize.mixed import Plan
from compress.quantize.values import Tried


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """judge: a file, and whether its answers may depend on batch mates -> what it keeps of all that
    is held out, of which max_drop, a fraction, may be lost. feeds: one batch as it is served.
    times: of one call of each file, in ms."""

    judge: Callable[[Path, bool], Fidelity]
    max_drop: float
    feeds: Mapping[str, NDArray[Any]]
    threads: int
    seed: int
    times: Callable[..., dict[str, float]] = times_ms


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """path, plan: of the file chosen, None without one. best: the nearest miss, in words."""

    path: Path | None
    name: str
    plan: Plan | None
    fidelity: Fidelity | None
    batch_changes: float | None
    sensitive: tuple[str, ...]
    tried: tuple[Tried, ...]
    best: str
