"""Sizes that a network's own code holds, such as self.width: what they become."""

from __future__ import annotations

import traceback
from collections.abc import Iterator, Mapping
from itertools import islice, product
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from compress.errors import InputError
from compress.prune.cut import apply_plan
from compress.prune.plan import Plan, Setting
from compress.prune.values import Traced

_MANY = 64  # combinations that are tried, at most
Options = Mapping[tuple[str, str], tuple[Setting, ...]]


def numbers(found: Traced, removed: NDArray[np.bool_], module: nn.Module) -> Options:
    """Attributes of the user's modules that hold a size which changed, with what they may become:
    a view to (batch, tokens, self.width) reads one. The value itself is among them where an axis of
    the same size stays."""
    sizes: dict[str, dict[int, set[int]]] = {}
    for written in found.sizes:
        stays = ~removed[found.known.find(written.labels).numpy()]
        for axis, size in enumerate(stays.shape):
            others = tuple(other for other in range(stays.ndim) if other != axis)
            left = int(stays.any(axis=others).sum())
            sizes.setdefault(written.module, {}).setdefault(size, set()).add(left)
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
    made: nn.Module, plan: Plan, options: Options, inputs: tuple[Tensor, ...]
) -> tuple[nn.Module, Plan]:
    """The smaller network, in place, which answers the example with outputs of the same shapes, and
    the plan with the numbers that make it do so.

    Raises InputError where none does, with the line of the network's code that fails.
    """
    with torch.no_grad():
        shapes = _shapes(made(*inputs))
    before = {key: getattr(made.get_submodule(key[0]), key[1]) for key in options}
    apply_plan(made, Plan(tensors=plan.tensors, attributes=plan.attributes), where="prune")
    failed: Exception | None = None
    for settings in islice(_choices(options, made), _MANY):
        attributes = {name: dict(held) for name, held in plan.attributes.items()}
        for (name, attribute), value in settings.items():
            if value != before[name, attribute]:
                attributes.setdefault(name, {})[attribute] = value
        for (name, attribute), value in settings.items():
            setattr(made.get_submodule(name), attribute, value)
        try:
            with torch.no_grad():
                reached = _shapes(made(*inputs))
        except (RuntimeError, ValueError, TypeError, IndexError, AssertionError) as error:
            failed = failed or error
            continue
        if reached == shapes:
            return made, Plan(tensors=plan.tensors, attributes=attributes, plain=plan.plain)
        failed = failed or ValueError(f"outputs of shape {reached} for {shapes}")
    said = (str(failed).strip().splitlines() or [""])[0][:300]
    raise InputError(
        f"can't be pruned: the smaller network fails{_line(failed)}: {said}",
        where=type(made).__name__,
        cure="keep the outputs of the modules near it (`keep`)",
    ) from failed


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
