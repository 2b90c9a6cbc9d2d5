"""Whole blocks removed: evenly spaced, or those that change their input least."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

import torch
from torch import Tensor, nn

from compress.errors import InputError
from compress.prune.cut import apply_plan
from compress.prune.plan import Plan
from compress.prune.spacing import kept_layers
from compress.prune.words import check_word

By = Literal["spacing", "importance"]


@dataclass(slots=True, kw_only=True)
class Stack:
    """A list of blocks. changes: of each removable block, by its place, how far it turns its input:
    one minus the mean cosine of what goes in and what comes out (Men et al. 2024, ShortGPT)."""

    name: str
    length: int
    changes: dict[int, float] = field(default_factory=dict)

    @property
    def fixed(self) -> tuple[int, ...]:
        """Blocks that change shapes, as the first of a stage does."""
        return tuple(index for index in range(self.length) if index not in self.changes)

    @property
    def least(self) -> int:
        """Blocks that stay in any case."""
        return max(1, len(self.fixed))


@dataclass(frozen=True, slots=True, kw_only=True)
class Truncated:
    """A network with fewer blocks that inherits weights. kept: list -> kept places, of how many."""

    module: nn.Module
    plan: Plan
    kept: dict[str, tuple[tuple[int, ...], int]]


def truncate(
    module: nn.Module, example: Tensor | Sequence[Tensor], *, layers: int, by: By = "spacing"
) -> Truncated:
    """A copy with `layers` blocks of all that it has; the argument is left as it was.

    Blocks are members of a list of modules of one class that answer in the shape of their input. Of
    several lists (stages) each keeps its share by spacing, and the least important of all go by
    importance; a list keeps one at least. Raises InputError where there are no such blocks, or not
    as many.
    """
    check_word("by", by, known=get_args(By), where="layers")
    inputs = (example,) if isinstance(example, Tensor) else tuple(example)
    stacks = find_stacks(module, inputs)
    total = sum(stack.length for stack in stacks)
    least = sum(stack.least for stack in stacks)
    if not least <= layers <= total:
        has = f"has {total} blocks" if stacks else "has no list of blocks of one shape"
        names = ", ".join(f"{stack.name} of {stack.length}" for stack in stacks[:6])
        raise InputError(
            f"{has}{f' ({names})' if names else ''}, and {layers} can't be kept",
            where="layers",
            cure=f"keep {least} to {total}" if stacks else "prune its width instead",
        )
    kept = _by_spacing(stacks, layers) if by == "spacing" else _by_importance(stacks, layers)
    chosen = {stack.name: kept[stack.name] for stack in stacks}
    plan = Plan(
        layers={
            stack.name: chosen[stack.name]
            for stack in stacks
            if len(chosen[stack.name]) < stack.length
        }
    )
    made = copy.deepcopy(module).cpu()
    apply_plan(made, plan, where="layers")
    return Truncated(
        module=made,
        plan=plan,
        kept={stack.name: (chosen[stack.name], stack.length) for stack in stacks},
    )


def find_stacks(module: nn.Module, inputs: Sequence[Tensor]) -> tuple[Stack, ...]:
    """The outermost lists of blocks, in the order of the network, after one pass over inputs."""
    twin = copy.deepcopy(module).cpu().eval()
    seen: dict[str, list[tuple[Tensor | None, Tensor | None]]] = {}
    hooks = []
    lists = {
        name: part
        for name, part in twin.named_modules()
        if isinstance(part, (nn.ModuleList, nn.Sequential)) and len(part) > 1
    }
    for name, part in lists.items():
        for index, block in enumerate(part):

            def hook(
                block: nn.Module,
                args: tuple[Any, ...],
                named: dict[str, Any],
                output: Any,
                key: str = f"{name}.{index}",
            ) -> None:
                given = args[0] if args else next(iter(named.values()), None)
                seen.setdefault(key, []).append((_tensor(given), _tensor(output)))

            hooks.append(block.register_forward_hook(hook, with_kwargs=True))
    try:
        with torch.no_grad():
            twin(*(tensor.cpu() for tensor in inputs))
    finally:
        for handle in hooks:
            handle.remove()
    stacks: list[Stack] = []
    for name, part in lists.items():
        if any(not stack.name or name.startswith(f"{stack.name}.") for stack in stacks):
            continue
        stack = Stack(name=name, length=len(part))
        blocks = list(part)
        for index, block in enumerate(blocks):
            calls = seen.get(f"{name}.{index}", [])
            alike = sum(type(other) is type(block) for other in blocks) > 1
            # A layer by itself is no block: what it does is done nowhere else.
            whole = any(True for _ in block.children())
            if len(calls) == 1 and alike and whole:
                change = _change(*calls[0])
                if change is not None:
                    stack.changes[index] = change
        called = all(len(seen.get(f"{name}.{place}", [])) == 1 for place in range(len(blocks)))
        # Of a list of stages most change the shape: there the blocks are one level below.
        most = stack.fixed in ((), (0,)) or 2 * len(stack.changes) > len(blocks)
        if called and stack.changes and most:
            stacks.append(stack)
    return tuple(stacks)


def _tensor(value: Any) -> Tensor | None:
    if isinstance(value, (tuple, list)) and value:
        value = value[0]
    return value if isinstance(value, Tensor) else None


def _change(given: Tensor | None, answer: Tensor | None) -> float | None:
    """None where the block can't be left out."""
    if given is None or answer is None or given.shape != answer.shape:
        return None
    if not given.is_floating_point() or given.ndim < 3:
        return None
    alike = torch.cosine_similarity(given.flatten(1).double(), answer.flatten(1).double(), dim=1)
    return 1.0 - float(alike.mean())


def _by_spacing(stacks: Sequence[Stack], layers: int) -> dict[str, tuple[int, ...]]:
    total = sum(stack.length for stack in stacks)
    wanted = [stack.length * layers / total for stack in stacks]
    counts = [max(stack.least, int(part)) for stack, part in zip(stacks, wanted, strict=True)]
    while sum(counts) != layers:
        step = 1 if sum(counts) < layers else -1
        open_places = [
            index
            for index, stack in enumerate(stacks)
            if (counts[index] < stack.length if step > 0 else counts[index] > stack.least)
        ]
        index = max(open_places, key=lambda place: step * (wanted[place] - counts[place]))
        counts[index] += step
    return {stack.name: _spaced(stack, count) for stack, count in zip(stacks, counts, strict=True)}


def _spaced(stack: Stack, count: int) -> tuple[int, ...]:
    free, extra = sorted(stack.changes), count - len(stack.fixed)
    chosen = [free[index] for index in kept_layers(len(free), extra)] if extra else []
    return tuple(sorted({*stack.fixed, *chosen}))


def _by_importance(stacks: Sequence[Stack], layers: int) -> dict[str, tuple[int, ...]]:
    kept = {stack.name: set(range(stack.length)) for stack in stacks}
    ranked = sorted(
        (change, stack.name, index) for stack in stacks for index, change in stack.changes.items()
    )
    least = {stack.name: stack.least for stack in stacks}
    for _, name, index in ranked:
        if sum(map(len, kept.values())) <= layers:
            break
        if len(kept[name]) > least[name]:
            kept[name].discard(index)
    return {name: tuple(sorted(places)) for name, places in kept.items()}
