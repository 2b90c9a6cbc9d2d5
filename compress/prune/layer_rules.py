"""What layers say about labels: products, convolutions, norms, embeddings, attention."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor

from compress.prune.combine import by_place, elementwise
from compress.prune.machine import Machine, Value, folded_places, product, written_sizes
from compress.prune.spread import axes_of, base_of, compact, folded, is_none
from compress.prune.values import Cost, GroupCount, NormSize


def labels_of_layer(
    machine: Machine, name: str, args: Sequence[Any], named: Mapping[str, Any], result: Any
) -> Any:
    """Labels of the result; None for an operator that is no layer."""
    match name:
        case "linear":
            bias = args[2] if len(args) > 2 else None
            return _dense(machine, args[0], args[1], bias, result, inputs=1)
        case "addmm" if _is_weight(args[2]):
            return _dense(machine, args[1], args[2], args[0], result, inputs=0)
        case "mm" | "matmul" if _is_weight(args[1]):
            return _dense(machine, args[0], args[1], None, result, inputs=0)
        case "matmul" | "bmm" | "mm":
            return product(machine, args[0], args[1], result)
        case "baddbmm":
            found = product(machine, args[1], args[2], result)
            return elementwise(machine.found.known, result.shape, [found, machine.labels(args[0])])
        case "conv1d" | "conv2d" | "conv3d" | "convolution":
            return _convolution(machine, args, named, result)
        case "conv_transpose1d" | "conv_transpose2d" | "conv_transpose3d":
            return _convolution(machine, args, named, result, transposed=True)
        case "batch_norm" | "instance_norm":
            found = _per_channel(machine, args[0], args[1:5], result)
            if not any(isinstance(value, Value) for value in args[1:5]):
                _norm_size(machine, found, "num_features", (1,))
            return found
        case "layer_norm" | "rms_norm":
            held = [value for value in args[2:4] if isinstance(value, Value)]
            given = [machine.labels(value) for value in (args[0], *held)]
            found = elementwise(machine.found.known, result.shape, given)
            written_sizes(machine, found)
            if not held:
                axes = tuple(range(result.ndim - len(args[1]), result.ndim))
                _norm_size(machine, found, "normalized_shape", axes)
            return found
        case "group_norm":
            return _group_norm(machine, args, result)
        case "embedding":
            return _embedding(machine, args[0], result)
        case "scaled_dot_product_attention":
            return _attention(machine, args, named, result)
        case "prelu":
            return _per_channel(machine, args[0], args[1:2], result)
    return None


def _is_weight(value: Any) -> bool:
    return (
        isinstance(value, Value)
        and value.held is not None
        and value.spread is None
        and value.tensor.ndim == 2
    )


def _dense(
    machine: Machine, given: Any, weight: Any, bias: Any, result: Tensor, *, inputs: int
) -> Any:
    """inputs: which axis of the weight the features of `given` run along."""
    known, labels = machine.found.known, machine.labels(given)
    if not _is_weight(weight):
        known.freeze(labels, f"a computed weight in {machine.module}")
        known.freeze(machine.labels(weight), f"a computed weight in {machine.module}")
        return None
    inner, outer = machine.axis(weight, inputs), machine.axis(weight, 1 - inputs)
    assert inner is not None
    assert outer is not None
    rows = result.numel() / result.shape[-1] / machine.batch
    last = labels.ndim - 1
    differing = axes_of(labels)
    if differing and last not in differing:  # as in a mixer: it works along places
        known.freeze(inner, f"a product along places in {machine.module}")
        known.freeze(outer, f"a product along places in {machine.module}")
        base = base_of(labels)
        along = base.amax(last, keepdim=True)
        found = compact(along.expand(result.shape), known)
        channels = base.amax(tuple(range(last))) if last else base
        del channels
        (axis,) = differing[:1]
        others = math.prod(result.shape[:-1]) / result.shape[axis] / machine.batch
        factor = others * len(inner) * len(outer)
        machine.found.costs.append(Cost(factor=factor, axes=(folded(labels, axis, known),)))
        return found
    if not is_none(labels):
        known.unite(folded(labels, last, known), inner)
    if isinstance(bias, Value):
        if bias.tensor.ndim == 1:
            added = machine.axis(bias, 0)
            if added is not None:
                known.unite(added, outer)
        else:
            known.freeze(machine.labels(bias), f"a computed bias in {machine.module}")
            known.freeze(outer, f"a computed bias in {machine.module}")
    machine.found.costs.append(Cost(factor=rows, axes=(inner, outer)))
    _remember(machine, weight, 1 - inputs)
    return outer.expand(result.shape)


def _remember(machine: Machine, weight: Value, axis: int) -> None:
    assert weight.held is not None
    name, order = weight.held
    if (name, order[axis]) not in machine.found.widths:
        machine.found.widths.append((name, order[axis]))


def _convolution(
    machine: Machine,
    args: Sequence[Any],
    named: Mapping[str, Any],
    result: Tensor,
    *,
    transposed: bool = False,
) -> Any:
    known = machine.found.known
    given, weight = args[0], args[1]
    bias = args[2] if len(args) > 2 else None
    # conv2d(x, weight, bias, stride, padding, dilation, groups); a transposed one has
    # (..., padding, output_padding, groups, dilation), which leaves groups in the same place.
    groups = args[6] if len(args) > 6 else named.get("groups", 1)
    groups = groups if isinstance(groups, int) else 1
    labels = machine.labels(given)
    if not isinstance(weight, Value) or weight.held is None or weight.spread is not None:
        known.freeze(labels, f"a computed weight in {machine.module}")
        known.freeze(machine.labels(weight), f"a computed weight in {machine.module}")
        return None
    if transposed and groups > 1:
        known.freeze(labels, f"a grouped transposed convolution in {machine.module}")
        return None
    outer = machine.axis(weight, int(transposed))
    assert outer is not None
    channels = folded(labels, 1, known)
    channels = channels.expand(given.tensor.shape[1])
    places = given.tensor.shape[2:] if transposed else result.shape[2:]
    per_output = math.prod(weight.tensor.shape[2:]) * math.prod(places)
    if groups == 1:
        inner = machine.axis(weight, int(not transposed))
        assert inner is not None
        known.unite(channels, inner)
        machine.found.costs.append(Cost(factor=per_output, axes=(inner, outer)))
    else:
        _grouped(machine, weight, channels, outer, groups, per_output)
    if isinstance(bias, Value):
        added = machine.axis(bias, 0)
        if added is not None:
            known.unite(added, outer)
    _remember(machine, weight, int(transposed))
    return outer.reshape(1, -1, *(1,) * (result.ndim - 2)).expand(result.shape)


def _grouped(
    machine: Machine, weight: Value, channels: Tensor, outer: Tensor, groups: int, factor: float
) -> None:
    """Whole groups go, or, where a group is wider than there are groups, one channel of each."""
    known = machine.found.known
    inputs = channels.reshape(groups, -1)
    outputs = outer.reshape(groups, -1)
    if inputs.shape[1] > groups and outputs.shape[1] > 1:
        inner = machine.axis(weight, 1)
        assert inner is not None
        known.unite(inputs, inner.expand_as(inputs))
        known.unite(outputs, outputs[:1].expand_as(outputs))
        machine.found.costs.append(Cost(factor=factor, axes=(inner, outer)))
        return
    for one, other in zip(inputs, outputs, strict=True):
        known.unite_all(one)
        known.unite_all(other)
    if not is_none(channels):
        known.unite(inputs[:, :1], outputs[:, :1])
    else:
        known.freeze(outer, "a grouped convolution of the input")
    machine.found.costs.append(Cost(factor=factor * inputs.shape[1], axes=(outer,)))
    machine.found.groups.append(
        GroupCount(module=machine.module, attribute="groups", labels=outputs)
    )


def _per_channel(machine: Machine, given: Any, held: Sequence[Any], result: Tensor) -> Tensor:
    labels = [machine.labels(given)]
    for value in held:
        if isinstance(value, Value) and value.tensor.ndim == 1 and value.tensor.numel() > 1:
            along = machine.labels(value)
            labels.append(along.reshape(1, -1, *(1,) * (result.ndim - 2)))
    return elementwise(machine.found.known, result.shape, labels)


def _norm_size(machine: Machine, labels: Tensor, attribute: str, axes: tuple[int, ...]) -> None:
    """Remember what a norm that has no tensors is told about what it norms."""
    written = written_sizes(machine, labels)
    if written is not None:
        norm = NormSize(attribute=attribute, written=written, axes=axes)
        machine.found.norms.append(norm)


def _group_norm(machine: Machine, args: Sequence[Any], result: Tensor) -> Tensor:
    known, groups = machine.found.known, int(args[1])
    found = _per_channel(machine, args[0], args[2:4], result)
    channels = folded(found, 1, known)
    if groups > 1 and not is_none(channels):
        channels = channels.expand(result.shape[1]).reshape(groups, -1)
        for one in channels:
            known.unite_all(one)
        machine.found.groups.append(
            GroupCount(module=machine.module, attribute="num_groups", labels=channels)
        )
    return compact(found, known)


def _embedding(machine: Machine, weight: Any, result: Tensor) -> Any:
    if not _is_weight(weight):
        machine.found.known.freeze(machine.labels(weight), f"an embedding in {machine.module}")
        return None
    outer = machine.axis(weight, 1)
    assert outer is not None
    _remember(machine, weight, 1)
    return outer.expand(result.shape)


def _attention(
    machine: Machine, args: Sequence[Any], named: Mapping[str, Any], result: Tensor
) -> Tensor:
    known = machine.found.known
    query, key, value = (machine.labels(one) for one in args[:3])
    shapes = [one.tensor.shape for one in args[:3]]
    batch = tuple(range(result.ndim - 2))
    tokens = shapes[1][-2]
    per_place = shapes[0][-2] * tokens * (shapes[0][-1] + shapes[2][-1])
    heads = by_place(known, (query, key, value), batch)
    if heads is not None:
        mask = args[3] if len(args) > 3 else named.get("attn_mask")
        if isinstance(mask, Value):
            scores = (*result.shape[:-1], tokens)
            heads = base_of(
                elementwise(known, scores, [heads.expand(scores), machine.labels(mask)])
            )
            heads = heads.amax((-1, -2), keepdim=True)
        found = compact(heads.expand(result.shape), known)
        places = folded_places(found)
        count = max(1, len(places))
        whole = per_place * math.prod(result.shape[:-2]) / machine.batch
        machine.found.costs.append(Cost(factor=whole / count, axes=(places,) if count > 1 else ()))
        return found
    known.unite(folded(query, -1, known), folded(key, -1, known))
    inner = folded(query, -1, known).expand(shapes[0][-1])
    outer = folded(value, -1, known).expand(shapes[2][-1])
    pairs = shapes[0][-2] * tokens * math.prod(result.shape[:-2]) / machine.batch
    machine.found.costs.append(Cost(factor=pairs, axes=(inner,)))
    machine.found.costs.append(Cost(factor=pairs, axes=(outer,)))
    return outer.expand(result.shape)
