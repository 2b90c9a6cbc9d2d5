"""Operators of ONNX that move values and change none."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor
from torch.nn import functional

from compress.quantize.qat_given import Attributes, Given, Operator, the


def _listed(given: Given, place: int) -> list[int] | None:
    value = given[place] if place < len(given) else None
    return None if value is None else [int(entry) for entry in value.reshape(-1).tolist()]


def _flatten(given: Given, attributes: Attributes) -> Tensor:
    values = the(given[0])
    axis = attributes.get("axis", 1) % (values.ndim + 1)
    front = 1
    for size in values.shape[:axis]:
        front *= size
    return values.reshape(front, -1)


def _reshape(given: Given, attributes: Attributes) -> Tensor:
    values, shape = the(given[0]), _listed(given, 1) or []
    if not attributes.get("allowzero", 0):
        shape = [values.shape[at] if size == 0 else size for at, size in enumerate(shape)]
    return values.reshape(shape)


def _transpose(given: Given, attributes: Attributes) -> Tensor:
    values = the(given[0])
    return values.permute(*attributes.get("perm", range(values.ndim - 1, -1, -1)))


def _squeeze(given: Given, attributes: Attributes) -> Tensor:
    axes = _listed(given, 1)
    return the(given[0]).squeeze() if axes is None else the(given[0]).squeeze(tuple(axes))


def _unsqueeze(given: Given, attributes: Attributes) -> Tensor:
    values, axes = the(given[0]), _listed(given, 1) or []
    final = values.ndim + len(axes)
    for axis in sorted(axis % final for axis in axes):
        values = values.unsqueeze(axis)
    return values


def _concat(given: Given, attributes: Attributes) -> Tensor:
    return torch.cat([the(part) for part in given], dim=attributes["axis"])


def _slice(given: Given, attributes: Attributes) -> Tensor:
    values, starts, ends = the(given[0]), _listed(given, 1) or [], _listed(given, 2) or []
    axes = _listed(given, 3) or list(range(len(starts)))
    steps = _listed(given, 4) or [1] * len(starts)
    for start, end, axis, step in zip(starts, ends, axes, steps, strict=True):
        places = range(values.shape[axis])[start:end:step]
        if step == 1:
            values = values.narrow(axis, places.start, len(places))
        else:
            index = torch.tensor(list(places), dtype=torch.int64, device=values.device)
            values = values.index_select(axis, index)
    return values


def _split(given: Given, attributes: Attributes) -> tuple[Tensor, ...]:
    values, axis = the(given[0]), attributes.get("axis", 0)
    sizes = _listed(given, 1)
    if sizes is None:
        parts = int(attributes["num_outputs"])
        part = -(-values.shape[axis] // parts)
        sizes = [min(part, values.shape[axis] - at) for at in range(0, values.shape[axis], part)]
    return torch.split_with_sizes(values, sizes, dim=axis)


def _pad(given: Given, attributes: Attributes) -> Tensor:
    values, pads = the(given[0]), _listed(given, 1) or []
    fill = given[2] if len(given) > 2 else None
    axes = _listed(given, 3) or list(range(len(pads) // 2))
    both = [(0, 0)] * values.ndim
    for at, axis in enumerate(axes):
        both[axis] = (pads[at], pads[at + len(axes)])
    flat = [size for pair in reversed(both) for size in pair]
    mode = attributes.get("mode", b"constant").decode()
    if mode == "constant":
        return functional.pad(values, flat, value=0.0 if fill is None else float(fill))
    while flat and flat[-2:] == [0, 0]:  # torch wants the padded axes alone
        flat = flat[:-2]
    return functional.pad(values, flat, mode={"edge": "replicate", "reflect": "reflect"}[mode])


def _shape(given: Given, attributes: Attributes) -> Tensor:
    values = the(given[0])
    sizes = list(values.shape)[attributes.get("start", 0) : attributes.get("end")]
    return torch.tensor(sizes, dtype=torch.int64, device=values.device)


def _gather(given: Given, attributes: Attributes) -> Tensor:
    values, index, axis = the(given[0]), the(given[1]), attributes.get("axis", 0)
    axis %= values.ndim
    index = torch.where(index < 0, index + values.shape[axis], index)
    taken = values.index_select(axis, index.reshape(-1))
    return taken.reshape(*values.shape[:axis], *index.shape, *values.shape[axis + 1 :])


def _expand(given: Given, attributes: Attributes) -> Tensor:
    values, shape = the(given[0]), _listed(given, 1) or []
    final = max(values.ndim, len(shape))
    own, wanted = ([1] * (final - len(part)) + list(part) for part in (values.shape, shape))
    return values.expand([a if b == 1 else b for a, b in zip(own, wanted, strict=True)])


def _constant(given: Given, attributes: Attributes) -> Tensor:
    from onnx import numpy_helper

    if "value" in attributes:
        return torch.from_numpy(numpy_helper.to_array(attributes["value"]).copy())
    name, value = next(iter(attributes.items()))
    return torch.tensor(value, dtype=torch.int64 if "int" in name else torch.float32)


SHAPES: Mapping[str, Operator] = {
    "Concat": _concat,
    "Constant": _constant,
    "Expand": _expand,
    "Flatten": _flatten,
    "Gather": _gather,
    "Pad": _pad,
    "Reshape": _reshape,
    "Shape": _shape,
    "Slice": _slice,
    "Split": _split,
    "Squeeze": _squeeze,
    "Transpose": _transpose,
    "Unsqueeze": _unsqueeze,
}
