"""The state of a pass: tensors with labels, and what has been found so far."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from torch import Tensor

from compress.prune.combine import multiplied
from compress.prune.spread import axes_of, base_of, compact, folded, is_none, none_of
from compress.prune.values import Cost, Traced, WrittenSize

_LARGEST = 1 << 22  # elements of a parameter that is followed element by element


@dataclass(slots=True)
class Value:
    """A tensor in the pass. held: the parameter that it is, and the order of its axes."""

    tensor: Tensor
    spread: Tensor | None
    held: tuple[str, tuple[int, ...]] | None


@dataclass(slots=True)
class Machine:
    """The state of one pass. module: the path of the one whose code runs; step: operations before
    the one that runs."""

    found: Traced
    batch: int
    module: str = ""
    step: int = 0

    def axis(self, value: Value, axis: int) -> Tensor | None:
        """(size,) labels of an axis of a parameter; None for what is none."""
        if value.held is None:
            return None
        name, order = value.held
        kept = self.found.axes.setdefault(name, {})
        which = order[axis]
        if which not in kept:
            kept[which] = self.found.known.fresh(value.tensor.shape[axis])
        return kept[which]

    def labels(self, value: Any) -> Tensor:
        """Labels of every element, compact."""
        if not isinstance(value, Value):
            return none_of(())
        if value.held is not None and value.spread is None:
            value.spread = self._elements(value, value.held)
        if value.spread is None:
            return none_of(value.tensor.shape)
        return compact(value.spread, self.found.known)

    def _elements(self, value: Value, held: tuple[str, tuple[int, ...]]) -> Tensor:
        name, order = held
        if value.tensor.ndim == 1:
            labels = self.axis(value, 0)
            assert labels is not None
            return labels
        known, shape = self.found.known, self.found.shapes[name]
        if name not in self.found.elements:
            if value.tensor.numel() > _LARGEST:
                return none_of(value.tensor.shape)
            self.found.elements[name] = known.fresh(*shape)
        return self.found.elements[name].permute(order)


def written_sizes(machine: Machine, labels: Tensor, *, result: int = 0) -> WrittenSize | None:
    """Remember a tensor whose sizes a module's code may hold as numbers. result: which of the
    operation's it is."""
    spread = compact(labels, machine.found.known)
    if is_none(spread):
        return None
    written = WrittenSize(
        module=machine.module,
        step=machine.step,
        result=result,
        shape=tuple(spread.shape),
        labels=base_of(spread),
    )
    machine.found.sizes.append(written)
    return written


def product(machine: Machine, left: Any, right: Any, result: Tensor) -> Tensor:
    """A product of two tensors of activations, and what it costs."""
    a, b = machine.labels(left), machine.labels(right)
    if a.ndim < 2 or b.ndim < 2:
        known = machine.found.known
        known.freeze(a, "a product with a vector")
        known.freeze(b, "a product with a vector")
        return none_of(result.shape)
    found = multiplied(machine.found.known, a, b, result.shape)
    places = folded_places(found)
    sizes = left.tensor.shape[-1] * result.numel()
    machine.found.costs.append(
        Cost(factor=sizes / machine.batch / max(1, len(places)), axes=(places,))
        if len(places) > 1
        else Cost(
            factor=sizes
            / machine.batch
            / (left.tensor.shape[-1] * result.shape[-2] * result.shape[-1]),
            axes=tuple(
                along.expand(size) if len(along) == 1 else along
                for along, size in (
                    (folded(a, -1, machine.found.known), left.tensor.shape[-1]),
                    (folded(a, -2, machine.found.known), result.shape[-2]),
                    (folded(b, -1, machine.found.known), result.shape[-1]),
                )
            ),
        )
    )
    return found


def folded_places(labels: Tensor) -> Tensor:
    """The labels along the leading axes, flat; empty where there are none."""
    base = base_of(labels)
    if not set(axes_of(labels)) & set(range(labels.ndim - 2)):
        return base.new_zeros(0)
    return base.amax((-1, -2)).flatten()
