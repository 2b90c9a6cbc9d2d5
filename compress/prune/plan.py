"""What is kept of a network: plain numbers, in JSON beside the weights."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from compress.errors import InputError

FORMAT = 1
_MOST = 1 << 22  # indices of a plan whose network is not at hand: those of 7 billion weights fit
Setting = int | tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """layers: list of modules -> kept positions, removed first; tensors: parameter or buffer ->
    axis -> kept indices; attributes: module -> name -> value; plain: weight norms made one tensor.
    """

    layers: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    tensors: Mapping[str, Mapping[int, tuple[int, ...]]] = field(default_factory=dict)
    attributes: Mapping[str, Mapping[str, Setting]] = field(default_factory=dict)
    plain: tuple[str, ...] = ()

    def to_json(self) -> str:
        """Equal plans give equal text. Runs of indices are written as [first, last]."""
        value = {
            "format": FORMAT,
            "layers": {name: _runs(kept) for name, kept in self.layers.items()},
            "tensors": {
                name: {str(axis): _runs(kept) for axis, kept in axes.items()}
                for name, axes in self.tensors.items()
            },
            "attributes": {
                module: {name: list(v) if isinstance(v, tuple) else v for name, v in held.items()}
                for module, held in self.attributes.items()
            },
            "plain": list(self.plain),
        }
        return json.dumps(value, sort_keys=True, separators=(",", ":"))


def plan_from_json(text: str | bytes, *, where: str = "plan", most: int = _MOST) -> Plan:
    """most: indices in all, those that the network has. Raises InputError for more, before they are
    written out, and for anything that to_json does not write."""
    cure = "write the student again"
    try:
        value: Any = json.loads(text)
        if value["format"] != FORMAT:
            raise InputError(
                f"is of format {value['format']!r}, not {FORMAT}", where=where, cure=cure
            )
        if _count(value) > most:
            what = "keeps more channels than the network has"
            other = "it belongs to another network, or is damaged"
            raise InputError(what, where=where, cure=other)
        return Plan(
            layers={str(name): _indices(runs) for name, runs in value["layers"].items()},
            tensors={
                str(name): {int(axis): _indices(runs) for axis, runs in axes.items()}
                for name, axes in value["tensors"].items()
            },
            attributes={
                str(module): {
                    str(name): tuple(int(item) for item in held)
                    if isinstance(held, list)
                    else int(held)
                    for name, held in attributes.items()
                }
                for module, attributes in value["attributes"].items()
            },
            plain=tuple(str(name) for name in value["plain"]),
        )
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise InputError("is damaged: no plan of kept channels", where=where, cure=cure) from error


def _runs(kept: tuple[int, ...]) -> list[list[int]]:
    """(0, 1, 2, 5) -> [[0, 2], [5, 5]]."""
    runs: list[list[int]] = []
    for index in kept:
        if runs and runs[-1][1] == index - 1:
            runs[-1][1] = index
        else:
            runs.append([index, index])
    return runs


def _count(value: Any) -> int:
    """How many indices all runs of a plan stand for."""
    total = 0
    kept = [*value["layers"].values()]
    for axes in value["tensors"].values():
        kept += axes.values()
    for runs in kept:
        for first, last in runs:
            if type(first) is not int or type(last) is not int or not 0 <= first <= last:
                raise ValueError("no run of indices")
            total += last - first + 1
    return total


def _indices(runs: list[list[int]]) -> tuple[int, ...]:
    found: list[int] = []
    for first, last in runs:
        if found and first <= found[-1]:
            raise ValueError("indices that don't rise")
        found += range(first, last + 1)
    return tuple(found)
