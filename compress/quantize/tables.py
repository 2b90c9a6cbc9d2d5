"""Tables of embeddings in int8, a scale per row: half of a small encoder's bytes."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import TYPE_CHECKING

import numpy as np

from compress.quantize.graph import Rewriter

if TYPE_CHECKING:
    from onnx import ModelProto, NodeProto

_FLOAT, _MATRIX, _SMALLEST = (
    1,
    2,
    1024,
)  # elements: below, scales and nodes cost more than they save


def tables(model: ModelProto) -> tuple[NodeProto, ...]:
    """Gather nodes that take rows of a constant float matrix of finite numbers."""
    return tuple(node for node, finite in _looked_up(model) if finite)


def endless_tables(model: ModelProto) -> tuple[NodeProto, ...]:
    """Those whose matrix holds NaN or infinity, as masks by position do: a row of them has no
    scale."""
    return tuple(node for node, finite in _looked_up(model) if not finite)


def _looked_up(model: ModelProto) -> Iterator[tuple[NodeProto, bool]]:
    from onnx import numpy_helper

    large = {
        tensor.name: tensor
        for tensor in model.graph.initializer
        if tensor.data_type == _FLOAT
        and len(tensor.dims) == _MATRIX
        and tensor.dims[0] * tensor.dims[1] >= _SMALLEST
    }
    finite: dict[str, bool] = {}
    for node in model.graph.node:
        if node.op_type != "Gather" or node.input[0] not in large:
            continue
        if any(a.name == "axis" and a.i != 0 for a in node.attribute):
            continue
        name = node.input[0]
        if name not in finite:
            finite[name] = bool(np.isfinite(numpy_helper.to_array(large[name])).all())
        yield node, finite[name]


def round_tables(rewriter: Rewriter, *, only: Collection[str] | None = None) -> tuple[str, ...]:
    """Keep the rows as integers and give them their scale when they are taken; names of tables.
    only: names of the nodes whose rows are; by default all.

    A row's error is at most 1/254 of its largest element. The int8 rows are gathered as such: no
    float copy of the table is made when the file is loaded.
    """
    stored: dict[str, tuple[str, str]] = {}
    for node in tables(rewriter.model):
        if only is not None and node.name not in only:
            continue
        name, out = node.input[0], node.output[0]
        if name not in stored:
            value = rewriter.value(name)
            largest = np.abs(value).max(axis=1, keepdims=True)
            scale = np.where(largest > 0, largest / 127, 1.0).astype(np.float32)
            levels = np.clip(np.rint(value / scale), -127, 127).astype(np.int8)
            stored[name] = (
                rewriter.add(f"{name}_int8", levels),
                rewriter.add(f"{name}_scale", scale),
            )
        levels_name, scale_name = stored[name]
        names = {key: rewriter.name(f"{out}_{key}") for key in ("rows", "scales", "float")}
        made = [
            rewriter.node("Gather", [levels_name, node.input[1]], names["rows"]),
            rewriter.node("Gather", [scale_name, node.input[1]], names["scales"]),
            rewriter.node("Cast", [names["rows"]], names["float"], to=_FLOAT),
            rewriter.node("Mul", [names["float"], names["scales"]], out),
        ]
        rewriter.replace(node, made)
    return tuple(stored)
