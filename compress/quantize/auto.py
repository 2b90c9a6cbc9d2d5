"""The fastest mix of int8 and float that keeps the accuracy asked for, on this machine."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from compress.quantize.candidates import is_invariant, plans, refined, without
from compress.quantize.choice import Choice, Wanted
from compress.quantize.feeds import rows_of
from compress.quantize.fidelity import (
    Fidelity,
    answers,
    changed_by_batch_mates,
    fidelity,
)
from compress.quantize.mixed import Calibrated, Plan, applied, everything
from compress.quantize.opened import write_model
from compress.quantize.samples import Samples
from compress.quantize.values import Tried
from exporters.events import Event
from exporters.values import OnnxArtifact

_MARGIN = 0.98  # a candidate slower than this part of the float file's time is not followed up
_STEPS = (1, 2, 4, 8, 16)  # most sensitive operators in finer steps, in turn
_WAYS: Mapping[str, Callable[[Plan, Collection[str]], Plan]] = {
    "in two steps": refined,
    "in float": without,
}
_RANKED_ON = 4  # batches held out that sensitivity is told from
_MOST_RANKED = 64
_SLACK = 1e-9


@dataclass(slots=True)
class _Look:
    name: str
    path: Path
    plan: Plan
    time_ms: float
    sensitive: tuple[str, ...] = ()


@dataclass(slots=True)
class _State:
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
    state = _State(found, source, samples, reference, wanted, scratch, tell)
    candidates = plans(found.model)
    looks = _timed(state, candidates)
    best: tuple[_Look, Fidelity] | None = None
    for group in (True, False):
        accepted: list[tuple[_Look, Fidelity]] = []
        for look in sorted(
            (one for one in looks if is_invariant(one.plan) is group), key=lambda one: one.time_ms
        ):
            if accepted and look.time_ms >= accepted[0][0].time_ms:
                _tell(state, look, None, "not looked at: a faster one was taken")
                continue
            if look.time_ms > _MARGIN * state.float_ms:
                _tell(state, look, None, "not faster than float")
                continue
            result, kept = _followed(state, look, faster_than=accepted)
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


def _timed(state: _State, candidates: Mapping[str, Plan]) -> list[_Look]:
    paths = {}
    for number, (name, plan) in enumerate(candidates.items()):
        state.tell(Event("progress", "quantize", f"making {name}", number / len(candidates)))
        paths[name] = state.scratch / f"candidate-{number}.onnx"
        write_model(applied(state.found, plan), paths[name])
    state.tell(Event("progress", "quantize", f"a first look at {len(paths)} candidates"))
    times = _times(state, paths)
    return [_Look(name, paths[name], plan, times[name]) for name, plan in candidates.items()]


def _times(state: _State, paths: Mapping[str, Path]) -> dict[str, float]:
    wanted = state.wanted
    found = wanted.times(
        {"": state.source.path, **paths}, wanted.feeds, threads=wanted.threads, seed=wanted.seed
    )
    if not state.float_ms:
        state.float_ms = found[""]
    # Of one pass, so that a machine that is slower now does not make a candidate slower.
    return {name: found[name] * state.float_ms / found[""] for name in paths}


def _followed(
    state: _State, look: _Look, *, faster_than: list[tuple[_Look, Fidelity]]
) -> tuple[tuple[_Look, Fidelity], bool]:
    """The candidate, or what it becomes with its most sensitive operators in finer steps: products
    in two steps of int8 first, else in float."""
    kept = _judged(state, look)
    if _holds(state, kept):
        return (look, kept), True
    _tell(state, look, kept, "loses too much")
    best = (look, kept)
    for word, change in _WAYS.items():
        if word == "in two steps" and not look.plan.products:
            continue
        made, nearest = _finer(state, look, word, change)
        if nearest is not None and nearest[1].drop < best[1].drop:
            best = nearest
        if made is None:
            continue
        one, kept = made
        one.time_ms = _times(state, {one.name: one.path})[one.name]
        slower = one.time_ms > _MARGIN * state.float_ms
        beaten = faster_than and one.time_ms >= faster_than[0][0].time_ms
        if not (slower or beaten):
            return made, True
        _tell(state, one, kept, "not faster" if slower else "a faster one was taken")
    return best, False


def _finer(
    state: _State, look: _Look, word: str, change: Callable[[Plan, Collection[str]], Plan]
) -> tuple[tuple[_Look, Fidelity] | None, tuple[_Look, Fidelity] | None]:
    """(with the fewest changed that holds, the nearest miss)."""
    nodes = [n for n in _ranking(state) if n in look.plan.chain or n in look.plan.products]
    nearest: tuple[_Look, Fidelity] | None = None
    for count in _STEPS:
        if count > len(nodes) // 2:
            break
        plan = change(look.plan, nodes[:count])
        path = look.path.with_name(f"{look.path.stem}-{word.replace(' ', '-')}-{count}.onnx")
        write_model(applied(state.found, plan), path)
        rounded = {*plan.chain, *plan.products}
        made = _Look(
            name=f"{look.name}, {count} sensitive {word}",
            path=path,
            plan=plan,
            time_ms=look.time_ms,
            sensitive=tuple(name for name in nodes[:count] if name not in rounded),
        )
        kept = _judged(state, made)
        if _holds(state, kept):
            return (made, kept), nearest
        _tell(state, made, kept, "loses too much")
        if nearest is None or kept.drop < nearest[1].drop:
            nearest = made, kept
    return None, nearest


def _ranking(state: _State) -> list[str]:
    """Nodes by how much is won when each alone goes back to float, the most first, told from a
    part of what is held out. Of more than 64 those with the largest weights."""
    if state.ranking is not None:
        return state.ranking
    part = state.samples.held_out[:_RANKED_ON]
    exact = state.reference[: sum(rows_of(feeds) for feeds in part)]
    model = state.found.model
    whole = everything(model)
    sizes = {tensor.name: int(np.prod(tensor.dims)) for tensor in model.graph.initializer}
    heavy = [
        (max((sizes.get(name, 0) for name in node.input), default=0), node.name)
        for node in model.graph.node
        if node.op_type in {"Conv", "ConvTranspose", "Gemm", "MatMul"}
    ]
    rounded = {*whole.chain, *whole.products}
    names = [name for _, name in sorted(heavy, key=lambda one: -one[0]) if name in rounded]
    names = names[:_MOST_RANKED]
    left = {}
    path = state.scratch / "all-but-one.onnx"
    for number, name in enumerate(names):
        # Not compacted and not synced: the file is read once.
        path.write_bytes(applied(state.found, without(whole, [name])).SerializeToString())
        answered = answers(path, part, threads=state.wanted.threads)
        left[name] = 1.0 - fidelity(exact, answered, metric="cosine").cosine_mean
        state.tell(
            Event("progress", "quantize", "one operator at a time", (number + 1) / len(names))
        )
    state.ranking = sorted(left, key=lambda name: left[name])
    return state.ranking


def _judged(state: _State, look: _Look) -> Fidelity:
    state.tell(Event("progress", "quantize", f"judging {look.name}"))
    return state.wanted.judge(look.path, not is_invariant(look.plan))


def _holds(state: _State, kept: Fidelity) -> bool:
    return kept.drop <= state.wanted.max_drop + _SLACK


def _chosen(state: _State, look: _Look, kept: Fidelity) -> Choice:
    changes = changed_by_batch_mates(
        look.path, state.samples.held_out[:_RANKED_ON], threads=state.wanted.threads
    )
    _tell(state, look, kept, "taken", changes=changes)
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


def _missed(state: _State, look: _Look, kept: Fidelity) -> str:
    return f"the best, {look.name}, {kept.lost(state.wanted.max_drop)}"


def _none_faster(state: _State, looks: Sequence[_Look]) -> str:
    said = "no candidate was faster than float"
    if not looks:
        return said
    nearest = min(looks, key=lambda one: one.time_ms)
    return (
        f"{said}: the nearest, {nearest.name}, takes {nearest.time_ms:.3g} ms where it takes "
        f"{state.float_ms:.3g} ms"
    )


def _tell(
    state: _State,
    look: _Look,
    kept: Fidelity | None,
    outcome: str,
    *,
    changes: float | None = None,
) -> None:
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
