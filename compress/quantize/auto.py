"""The fastest mix of int8 and float that keeps the accuracy asked for, on this machine."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from compress.quantize.candidates import is_invariant, plans
from compress.quantize.choice import Choice, Wanted
from compress.quantize.fidelity import Fidelity, changed_by_batch_mates
from compress.quantize.followed import RANKED_ON, followed
from compress.quantize.looks import MARGIN, Look, State, tell_of, times_of
from compress.quantize.mixed import Calibrated, Plan, applied
from compress.quantize.opened import write_model
from compress.quantize.samples import Samples
from exporters.events import Event
from exporters.values import OnnxArtifact


def choose(
    found: Calibrated,
    source: OnnxArtifact,
    samples: Samples,
    *,
    reference: NDArray[np.float64],
    wanted: Wanted,
    scratch: Path,
    tell: Callable[[Event], None],
) -> Choice:
    """Fast candidates first; one that loses too much gets its most sensitive operators in float.

    Candidates whose answers depend on batch mates are looked at last, and taken only where no
    other will do. reference: the float file's answers to what is held out.
    """
    state = State(found, source, samples, reference, wanted, scratch, tell)
    candidates = plans(found.model)
    looks = _timed(state, candidates)
    best: tuple[Look, Fidelity] | None = None
    for group in (True, False):
        accepted: list[tuple[Look, Fidelity]] = []
        for look in sorted(
            (one for one in looks if is_invariant(one.plan) is group), key=lambda one: one.time_ms
        ):
            if accepted and look.time_ms >= accepted[0][0].time_ms:
                tell_of(state, look, None, "not looked at: a faster one was taken")
                continue
            if look.time_ms > MARGIN * state.float_ms:
                tell_of(state, look, None, "not faster than float")
                continue
            result, kept = followed(state, look, faster_than=accepted)
            if kept:
                accepted.append(result)
                accepted.sort(key=lambda pair: pair[0].time_ms)
            elif best is None or result[1].drop < best[1].drop:
                best = result
        if accepted:
            return _chosen(state, *accepted[0])
    return Choice(
        path=None,
        name="float32",
        plan=None,
        fidelity=None if best is None else best[1],
        batch_changes=None,
        sensitive=(),
        tried=tuple(state.tried),
        best=_none_faster(state, looks) if best is None else _missed(state, *best),
    )


def _timed(state: State, candidates: Mapping[str, Plan]) -> list[Look]:
    paths = {}
    for number, (name, plan) in enumerate(candidates.items()):
        state.tell(Event("progress", "quantize", f"making {name}", number / len(candidates)))
        paths[name] = state.scratch / f"candidate-{number}.onnx"
        write_model(applied(state.found, plan), paths[name])
    state.tell(Event("progress", "quantize", f"a first look at {len(paths)} candidates"))
    times = times_of(state, paths)
    return [Look(name, paths[name], plan, times[name]) for name, plan in candidates.items()]


def _chosen(state: State, look: Look, kept: Fidelity) -> Choice:
    changes = changed_by_batch_mates(
        look.path, state.samples.held_out[:RANKED_ON], threads=state.wanted.threads
    )
    tell_of(state, look, kept, "taken", changes=changes)
    return Choice(
        path=look.path,
        name=look.name,
        plan=look.plan,
        fidelity=kept,
        batch_changes=changes,
        sensitive=look.sensitive,
        tried=tuple(state.tried),
        best="",
    )


def _missed(state: State, look: Look, kept: Fidelity) -> str:
    return f"the best, {look.name}, {kept.lost(state.wanted.max_drop)}"


def _none_faster(state: State, looks: Sequence[Look]) -> str:
    said = "no candidate was faster than float"
    if not looks:
        return said
    nearest = min(looks, key=lambda one: one.time_ms)
    return (
        f"{said}: the nearest, {nearest.name}, takes {nearest.time_ms:.3g} ms where it takes "
        f"{state.float_ms:.3g} ms"
    )
