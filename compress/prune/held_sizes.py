"""Sizes that a network's own code holds, such as self.width: what they become."""

from __future__ import annotations

import traceback
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice, product
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from compress.errors import InputError
from compress.prune.cut import apply_plan
from compress.prune.plan import Plan, Setting
from compress.prune.program import Step, program_of, steps_of
from compress.prune.trace import rows_of
from compress.prune.units import shape_left
from compress.prune.values import Traced, WrittenSize

_MANY = 64  # combinations that are tried, at most
_FOLLOWED = 8  # of them whose operations are looked at: each is a capture by torch.export
Options = Mapping[tuple[str, str], tuple[Setting, ...]]


def numbers(found: Traced, removed: NDArray[np.bool_], module: nn.Module) -> Options:
    """Attributes of the user's modules that hold a size which changed, with what they may become:
    a view to (batch, tokens, self.width) reads one. The value itself is among them where an axis of
    the same size stays."""
    sizes: dict[str, dict[int, set[int]]] = {}
    for written in found.sizes:
        changes = sizes.setdefault(written.module, {})
        for size, left in zip(written.shape, shape_left(written, found, removed), strict=True):
            changes.setdefault(size, set()).add(left)
    options: dict[tuple[str, str], tuple[Setting, ...]] = {}
    for name, changes in sizes.items():
        part = module.get_submodule(name)
        if type(part).__module__.startswith("torch.nn.modules"):
            continue
        for attribute, value in vars(part).items():
            alone = isinstance(value, tuple) and len(value) == 1
            held: Any = value[0] if alone else value
            if not isinstance(held, int) or isinstance(held, bool):
                continue
            becomes = sorted(changes.get(held, {held}))
            if becomes != [held]:
                options[name, attribute] = tuple((one,) if alone else one for one in becomes)
    return options


def fitted(
    made: nn.Module,
    plan: Plan,
    found: Traced,
    removed: NDArray[np.bool_],
    inputs: tuple[Tensor, ...],
) -> tuple[nn.Module, Plan]:
    """The smaller network, in place, which does to what is left what the whole one did, and the
    plan with the numbers that make it do so.

    Its operations are those of the whole network, on tensors without what went: equal shapes of the
    outputs alone would let 4 heads of 8 become 8 heads of 4. Of several such networks it is the
    first that computes with most of the numbers that the whole one computes with.

    Raises InputError where there is none, with the line of the network's code that fails.
    """
    options = numbers(found, removed, made)
    wanted = [(written, shape_left(written, found, removed)) for written in found.sizes]
    with torch.no_grad():
        shapes = _shapes(made(*inputs))
    before = {key: getattr(made.get_submodule(key[0]), key[1]) for key in options}
    apply_plan(made, Plan(tensors=plan.tensors, attributes=plan.attributes), where="prune")
    best: tuple[int, dict[tuple[str, str], Setting]] | None = None
    failed: Exception | None = None
    followed = 0
    for settings in islice(_choices(options, made), _MANY):
        _set(made, settings)
        try:
            with torch.no_grad():
                reached = _shapes(made(*inputs))
            if reached != shapes:
                raise ValueError(f"outputs of shape {reached} for {shapes}")
            followed += 1
            steps = list(steps_of(program_of(made, rows_of(inputs)).graph_module))
            _compare(steps, found.steps, wanted)
        except _FAILURES as error:
            failed = failed or error
        else:
            other = sum(a.numbers != b.numbers for a, b in zip(steps, found.steps, strict=True))
            if best is None or other < best[0]:
                best = other, settings
            if not other:
                break
        if followed == _FOLLOWED:
            break
    if best is None:
        said = (str(failed).strip().splitlines() or [""])[0][:300]
        raise InputError(
            f"can't be pruned: the smaller network fails{_line(failed)}: {said}",
            where=type(made).__name__,
            cure="keep the outputs of the modules near it (`keep`)",
        ) from failed
    _set(made, best[1])
    attributes = {name: dict(held) for name, held in plan.attributes.items()}
    for (name, attribute), value in best[1].items():
        if value != before[name, attribute]:
            attributes.setdefault(name, {})[attribute] = value
    return made, Plan(tensors=plan.tensors, attributes=attributes, plain=plan.plain)


_FAILURES = (RuntimeError, ValueError, TypeError, IndexError, AssertionError, InputError)


def _set(made: nn.Module, settings: Mapping[tuple[str, str], Setting]) -> None:
    for (name, attribute), value in settings.items():
        setattr(made.get_submodule(name), attribute, value)


def _compare(
    steps: Sequence[Step],
    before: Sequence[Step],
    wanted: Sequence[tuple[WrittenSize, tuple[int, ...]]],
) -> None:
    """Raises ValueError where operations are others, or make other shapes than what is left."""
    if [step.operator for step in steps] != [step.operator for step in before]:
        raise ValueError("it does other operations than the whole one")
    for written, shape in wanted:
        step = steps[written.step]
        if step.shapes[written.result] != shape:
            raise ValueError(
                f"{step.operator} in {written.module or 'it'} gives "
                f"{step.shapes[written.result]}, where {shape} is left of {written.shape}"
            )


def _choices(options: Options, module: nn.Module) -> Iterator[dict[tuple[str, str], Setting]]:
    """One option for each number; the same one in all modules of a class, as layers are alike."""
    kinds: dict[tuple[type[nn.Module], str, int], list[tuple[str, str]]] = {}
    for key, values in options.items():
        kind = type(module.get_submodule(key[0])), key[1], len(values)
        kinds.setdefault(kind, []).append(key)
    for places in product(*(range(kind[2]) for kind in kinds)):
        yield {
            key: options[key][place]
            for place, keys in zip(places, kinds.values(), strict=True)
            for key in keys
        }


def _line(error: Exception | None) -> str:
    """The last line of the network's own code."""
    if error is None:
        return ""
    frames = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if "/torch/" not in frame.filename and frame.filename != __file__
    ]
    return f" at {frames[-1].filename}:{frames[-1].lineno} ({frames[-1].line})" if frames else ""


def _shapes(outputs: Any) -> tuple[tuple[int, ...], ...]:
    if isinstance(outputs, Tensor):
        return (tuple(outputs.shape),)
    values = outputs.values() if isinstance(outputs, dict) else outputs
    if not isinstance(values, (list, tuple)) and not isinstance(outputs, dict):
        return ()
    return tuple(shape for value in values for shape in _shapes(value))
