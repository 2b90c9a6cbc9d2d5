"""What a file grew by and what would shrink it, from what is known of its contents."""

from __future__ import annotations

from collections import Counter

from compress.gate.wording import percent, signed, size
from compress.values import ModelFacts, TensorFacts

_MOST = 5
_NARROW = {"float32": 4, "float64": 8, "float16": 2}  # bytes of an element; int8 takes one


def largest_lines(facts: ModelFacts) -> list[str]:
    """The tensors that take most bytes, and what int8 would save of each."""
    rows = []
    for tensor in facts.tensors[:3]:
        share = percent(tensor.size_bytes / facts.size_bytes, 2) if facts.size_bytes else "?"
        width = _NARROW.get(tensor.dtype, 1)
        saved = tensor.size_bytes - tensor.size_bytes // width
        hint = f"  <- int8 would save {size(saved)}" if saved >= 1024 else ""
        rows.append(f"{_name(tensor)} {size(tensor.size_bytes)} {tensor.dtype} ({share}){hint}")
    return rows


def growth_lines(before: ModelFacts, after: ModelFacts) -> list[str]:
    """Total, then the tensors and operators that differ, what grew most first."""
    total = after.size_bytes - before.size_bytes
    rows = [f"{signed(size(total)) if total else 'no change'} of the file"]
    old, new = _by_name(before), _by_name(after)
    changes = sorted(
        ((_bytes(new.get(n)) - _bytes(old.get(n)), n) for n in old.keys() | new.keys()),
        key=lambda item: (-item[0], item[1]),
    )
    grown = [(change, name) for change, name in changes if change > 0]
    for change, name in grown[:_MOST]:
        shapes = f"{_shape(old.get(name))} -> {_shape(new.get(name))}"
        rows.append(f"{signed(size(change))} {name or '(constants)'} {shapes}")
    if len(grown) > _MOST:
        rows.append(f"and {len(grown) - _MOST} more that grew")
    shrunk = sum(change for change, _ in changes if change < 0)
    if shrunk:
        rows.append(f"{size(shrunk)} of what shrank or went")
    operators = _operators(before, after)
    if operators:
        rows.append(f"operators: {operators}")
    return rows


def _operators(before: ModelFacts, after: ModelFacts) -> str:
    names = before.operators.keys() | after.operators.keys()
    found = {n: after.operators.get(n, 0) - before.operators.get(n, 0) for n in names}
    differing = sorted(((c, n) for n, c in found.items() if c), key=lambda i: (-i[0], i[1]))
    return ", ".join(f"{change:+d} {name}" for change, name in differing[:8])


def _by_name(facts: ModelFacts) -> dict[str, tuple[TensorFacts, ...]]:
    found: dict[str, tuple[TensorFacts, ...]] = {}
    for tensor in facts.tensors:
        found[tensor.name] = (*found.get(tensor.name, ()), tensor)
    return found


def _bytes(tensors: tuple[TensorFacts, ...] | None) -> int:
    return sum(tensor.size_bytes for tensor in tensors or ())


def _shape(tensors: tuple[TensorFacts, ...] | None) -> str:
    if not tensors:
        return "absent"
    if len(tensors) > 1:
        kinds = Counter(tensor.dtype for tensor in tensors)
        return f"{len(tensors)} tensors of {', '.join(kinds)}"
    return f"{list(tensors[0].shape)}"


def _name(tensor: TensorFacts) -> str:
    return tensor.name or f"a constant {list(tensor.shape)}"
