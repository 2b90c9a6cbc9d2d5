"""A candidate that loses too much, followed up: operators in finer steps, then tables in float."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace

import numpy as np

from compress.quantize.candidates import refined, without
from compress.quantize.feeds import rows_of
from compress.quantize.fidelity import Fidelity, answers, fidelity
from compress.quantize.looks import MARGIN, Look, State, holds, judged, tell_of, times_of
from compress.quantize.mixed import Plan, applied, everything
from compress.quantize.opened import write_model
from compress.quantize.tables import tables
from exporters.events import Event

_STEPS = (1, 2, 4, 8, 16)  # most sensitive operators in finer steps, in turn
_WAYS: Mapping[str, Callable[[Plan, Collection[str]], Plan]] = {
    "in two steps": refined,
    "in float": without,
}
RANKED_ON = 4  # batches held out that sensitivity is told from
_MOST_RANKED = 64
_Judged = tuple[Look, Fidelity]


def followed(state: State, look: Look, *, faster_than: Sequence[_Judged]) -> tuple[_Judged, bool]:
    """The candidate, or what it becomes with its most sensitive operators in finer steps: products
    in two steps of int8 first, else in float; at last with its tables in float, which cost size and
    no time. Whether it holds; the nearest miss otherwise."""
    kept = judged(state, look)
    if holds(state, kept):
        return (look, kept), True
    tell_of(state, look, kept, "loses too much")
    best = (look, kept)
    for word, change in _WAYS.items():
        if word == "in two steps" and not look.plan.products:
            continue
        made, nearest = _finer(state, look, word, change)
        if nearest is not None and nearest[1].drop < best[1].drop:
            best = nearest
        if made is not None and _is_fastest(state, made, faster_than):
            return made, True
    if not tables(state.found.model):
        return best, False
    # Where the tables alone are to blame the candidate itself will do, else its nearest miss.
    for one in [look, *([] if best[0] is look else [best[0]])]:
        made = _with_float_tables(state, one)
        if not holds(state, made[1]):
            tell_of(state, *made, "loses too much")
            best = min(best, made, key=lambda pair: pair[1].drop)
        elif _is_fastest(state, made, faster_than):
            return made, True
    return best, False


def _is_fastest(state: State, made: _Judged, faster_than: Sequence[_Judged]) -> bool:
    """Whether it is faster than float and than those; it is timed, and told where it is not."""
    one, kept = made
    one.time_ms = times_of(state, {one.name: one.path})[one.name]
    slower = one.time_ms > MARGIN * state.float_ms
    if slower or (faster_than and one.time_ms >= faster_than[0][0].time_ms):
        tell_of(state, one, kept, "not faster" if slower else "a faster one was taken")
        return False
    return True


def _with_float_tables(state: State, look: Look) -> _Judged:
    made = replace(
        look,
        name=f"{look.name}, tables in float",
        path=look.path.with_name(f"{look.path.stem}-float-tables.onnx"),
        plan=replace(look.plan, tables=False),
    )
    write_model(applied(state.found, made.plan), made.path)
    return made, judged(state, made)


def _finer(
    state: State, look: Look, word: str, change: Callable[[Plan, Collection[str]], Plan]
) -> tuple[_Judged | None, _Judged | None]:
    """(with the fewest changed that holds, the nearest miss)."""
    nodes = [n for n in _ranking(state) if n in look.plan.chain or n in look.plan.products]
    nearest: _Judged | None = None
    for count in _STEPS:
        if count > len(nodes) // 2:
            break
        plan = change(look.plan, nodes[:count])
        path = look.path.with_name(f"{look.path.stem}-{word.replace(' ', '-')}-{count}.onnx")
        write_model(applied(state.found, plan), path)
        rounded = {*plan.chain, *plan.products}
        made = Look(
            name=f"{look.name}, {count} sensitive {word}",
            path=path,
            plan=plan,
            time_ms=look.time_ms,
            sensitive=tuple(name for name in nodes[:count] if name not in rounded),
        )
        kept = judged(state, made)
        if holds(state, kept):
            return (made, kept), nearest
        tell_of(state, made, kept, "loses too much")
        if nearest is None or kept.drop < nearest[1].drop:
            nearest = made, kept
    return None, nearest


def _ranking(state: State) -> list[str]:
    """Nodes by how much is won when each alone goes back to float, the most first, told from a
    part of what is held out. Of more than 64 those with the largest weights."""
    if state.ranking is not None:
        return state.ranking
    part = state.samples.held_out[:RANKED_ON]
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
