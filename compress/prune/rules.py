"""What each operator of a graph says about the labels of its operands: one `match`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from compress.prune.combine import elementwise, reduced
from compress.prune.labels import NONE
from compress.prune.layer_rules import labels_of_layer
from compress.prune.machine import Machine, Value, written_sizes
from compress.prune.spread import folded, is_none

_SAME = frozenset({
    "clone", "contiguous", "detach", "detach_", "alias", "dropout", "dropout_",
    "feature_dropout", "alpha_dropout", "to", "_to_copy", "lift_fresh", "lift_fresh_copy",
    "type_as", "softmax", "_softmax", "log_softmax", "cumsum", "positive", "masked_fill_",
    "index_put_", "index_put", "copy_", "fill_", "zero_", "bernoulli_",
})  # fmt: skip
_SHAPED = frozenset({
    "view", "reshape", "_unsafe_view", "flatten", "unflatten", "squeeze", "unsqueeze", "view_as",
})  # fmt: skip
_MOVED = frozenset({
    "transpose", "permute", "t", "numpy_T", "movedim", "slice", "select", "narrow", "split",
    "split_with_sizes", "chunk", "unbind", "tensor_split", "roll", "flip", "repeat",
    "repeat_interleave", "tile", "unfold", "im2col", "expand", "expand_as", "pixel_shuffle",
    "pixel_unshuffle", "channel_shuffle", "index", "index_select", "gather", "diagonal",
    "swapaxes", "broadcast_to", "take_along_dim", "rot90",
})  # fmt: skip
_REDUCED = frozenset({
    "mean", "sum", "amax", "amin", "linalg_vector_norm", "norm", "std", "var", "logsumexp",
    "any", "all", "argmax", "argmin", "prod",
})  # fmt: skip
_SPATIAL = ("pool", "upsample", "interpolate", "grid_sampler", "reflection_pad", "replication_pad")
_MADE = frozenset({
    "arange", "full", "zeros", "ones", "empty", "scalar_tensor", "new_zeros", "new_ones",
    "new_full", "new_empty", "zeros_like", "ones_like", "full_like", "empty_like", "eye", "rand",
    "randn", "linspace", "tril", "triu", "_assert_tensor_metadata", "_assert_scalar", "one_hot",
    "new_empty_strided", "sym_size", "_local_scalar_dense", "item",
})  # fmt: skip


def labels_after(
    machine: Machine,
    target: Any,
    args: Sequence[Any],
    named: Mapping[str, Any],
    result: Any,
) -> Any:
    """Labels of the result, in its structure; a Value where it is a parameter still."""
    name = str(target._schema.name).partition("::")[2]
    short = name.rstrip("_") or name
    known = machine.found.known
    first: Any = args[0] if args else None
    if name in _MADE or short in _MADE or not _any_labels(machine, args, named):
        return None
    if name in _SAME:
        return _same(first, result) if isinstance(first, Value) else None
    if name in ("t", "transpose", "permute", "numpy_T") and _is_held(first):
        return _turned(first, target, args, result)
    if name in _SHAPED or name in _MOVED:
        return _moved(machine, name, target, args, named, result)
    if name in ("cat", "stack", "concat", "hstack"):
        return target([machine.labels(value) for value in first], *args[1:], **named)
    if name in ("constant_pad_nd", "pad"):
        return torch.nn.functional.pad(machine.labels(first), list(args[1]), value=NONE)
    if name in _REDUCED:
        return _reduced(machine, args, named, result)
    if name.startswith(("max", "min")) and len(args) > 1 and isinstance(args[1], int):
        labels = _reduced(machine, args, named, result[0])
        return [labels, None]
    if any(part in name for part in _SPATIAL):
        return _spatial(machine, first, result)
    special = labels_of_layer(machine, name, args, named, result)
    if special is not None:
        return special
    if torch.Tag.pointwise in target.tags:
        operands = [machine.labels(value) for value in _tensors(args, named)]
        return elementwise(known, result.shape, operands)
    return _unknown(machine, name, args, named)


def _unknown(machine: Machine, name: str, args: Sequence[Any], named: Mapping[str, Any]) -> None:
    """Channels that come to an operator without a rule stay as they are."""
    where = f" in {machine.module}" if machine.module else ""
    for value in _tensors(args, named):
        machine.found.known.freeze(machine.labels(value), f"aten.{name}{where}")


def _any_labels(machine: Machine, args: Sequence[Any], named: Mapping[str, Any]) -> bool:
    return any(
        value.held is not None or (value.spread is not None and not is_none(value.spread))
        for value in _tensors(args, named)
    )


def _tensors(args: Sequence[Any], named: Mapping[str, Any]) -> list[Value]:
    found: list[Value] = []
    for value in (*args, *named.values()):
        if isinstance(value, Value):
            found.append(value)
        elif isinstance(value, (list, tuple)):
            found += [item for item in value if isinstance(item, Value)]
    return found


def _is_held(value: Any) -> bool:
    return isinstance(value, Value) and value.held is not None and value.spread is None


def _same(value: Value, result: Any) -> Any:
    if value.held is not None and value.spread is None:
        return Value(result, None, value.held)
    return value.spread


def _turned(value: Value, target: Any, args: Sequence[Any], result: Tensor) -> Value:
    assert value.held is not None
    name, order = value.held
    places = torch.arange(value.tensor.numel()).reshape(value.tensor.shape)
    strides = target(places, *args[1:]).stride()
    by_stride = {stride: axis for axis, stride in enumerate(places.stride())}
    if len(by_stride) < value.tensor.ndim:  # axes of size 1 can't be told apart, and don't matter
        return Value(result, None, None)
    return Value(result, None, (name, tuple(order[by_stride[stride]] for stride in strides)))


def _moved(
    machine: Machine,
    name: str,
    target: Any,
    args: Sequence[Any],
    named: Mapping[str, Any],
    result: Any,
) -> Any:
    labels = machine.labels(args[0])
    if name in _SHAPED:
        found: Any = labels.reshape(result.shape)
    elif name in ("expand", "expand_as", "broadcast_to"):
        found = labels.expand(result.shape)
    else:
        rest = [_plain(value) for value in args[1:]]
        found = target(labels, *rest, **{key: _plain(value) for key, value in named.items()})
    for place, one in enumerate(found if isinstance(found, (list, tuple)) else (found,)):
        written_sizes(machine, one, result=place)
    return found


def _plain(value: Any) -> Any:
    if isinstance(value, Value):
        return value.tensor
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return value


def _reduced(machine: Machine, args: Sequence[Any], named: Mapping[str, Any], result: Any) -> Any:
    labels = machine.labels(args[0])
    given: list[int] = []
    keepdim = bool(named.get("keepdim", False))
    for value in args[1:]:
        if isinstance(value, (list, tuple)):
            given = [int(axis) for axis in value]
        elif isinstance(value, bool):
            keepdim = value
        elif isinstance(value, int) and not given:
            given = [value]
    if "dim" in named and named["dim"] is not None:
        dims = named["dim"]
        given = [int(axis) for axis in dims] if isinstance(dims, (list, tuple)) else [int(dims)]
    axes = sorted({axis % labels.ndim for axis in given} or set(range(labels.ndim)))
    keepdim = keepdim or (result.ndim == labels.ndim and labels.ndim > 0)
    return reduced(machine.found.known, labels, axes, result.shape, keepdim=keepdim)


def _spatial(machine: Machine, value: Any, result: Tensor | Sequence[Tensor]) -> Any:
    """Batch and channels stay, and all places of a channel are one."""
    labels, many = machine.labels(value), not isinstance(result, Tensor)
    whole: Any = result[0] if many else result
    shape = whole.shape
    channels = folded(labels, 1, machine.found.known)
    spread = channels.reshape(1, -1, *(1,) * (len(shape) - 2)).expand(tuple(shape))
    return [spread, *(None for _ in result[1:])] if many else spread
