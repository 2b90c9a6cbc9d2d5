"""Candidates of the search for a mix, as they were looked at: timed, judged, told."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from compress.quantize.candidates import is_invariant
from compress.quantize.choice import Wanted
from compress.quantize.fidelity import Fidelity
from compress.quantize.mixed import Calibrated, Plan
from compress.quantize.samples import Samples
from compress.quantize.values import Tried
from exporters.events import Event
from exporters.values import OnnxArtifact

MARGIN = 0.98  # a candidate slower than this part of the float file's time is not followed up
_SLACK = 1e-9


@dataclass(slots=True)
class Look:
    """One candidate. sensitive: its nodes that are in float for the sake of accuracy."""

    name: str
    path: Path
    plan: Plan
    time_ms: float
    sensitive: tuple[str, ...] = ()


@dataclass(slots=True)
class State:
    """What is known of the network, and what was seen so far. ranking: its nodes, the most
    sensitive first, once they were asked for."""

    found: Calibrated
    source: OnnxArtifact
    samples: Samples
    reference: NDArray[np.float64]
    wanted: Wanted
    scratch: Path
    tell: Callable[[Event], None]
    tried: list[Tried] = field(default_factory=list)
    float_ms: float = 0.0
    ranking: list[str] | None = None


def times_of(state: State, paths: Mapping[str, Path]) -> dict[str, float]:
    """Of one call of each file, in ms."""
    wanted = state.wanted
    found = wanted.times(
        {"": state.source.path, **paths}, wanted.feeds, threads=wanted.threads, seed=wanted.seed
    )
    if not state.float_ms:
        state.float_ms = found[""]
    # Of one pass, so that a machine that is slower now does not make a candidate slower.
    return {name: found[name] * state.float_ms / found[""] for name in paths}


def judged(state: State, look: Look) -> Fidelity:
    """What it keeps of the answers."""
    state.tell(Event("progress", "quantize", f"judging {look.name}"))
    return state.wanted.judge(look.path, not is_invariant(look.plan))


def holds(state: State, kept: Fidelity) -> bool:
    """Whether that is as much as was asked for."""
    return kept.drop <= state.wanted.max_drop + _SLACK


def tell_of(
    state: State,
    look: Look,
    kept: Fidelity | None,
    outcome: str,
    *,
    changes: float | None = None,
) -> None:
    """Add it to what was tried."""
    state.tried.append(
        Tried(
            name=look.name,
            size_bytes=look.path.stat().st_size,
            time_ms=look.time_ms,
            float_ms=state.float_ms,
            fidelity=kept,
            batch_changes=changes,
            outcome=outcome,
        )
    )
