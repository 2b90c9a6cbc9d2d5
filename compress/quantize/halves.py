"""Weights in 16 bits: half the bytes, at the speed of the float file."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from compress.errors import DistilError
from compress.quantize.folded import inner_reads
from compress.quantize.graph import Rewriter

if TYPE_CHECKING:
    from onnx import ModelProto

_FLOAT = 1
_SMALLEST = 256  # elements: below, a cast costs more bytes than it saves
_LARGEST_HALF = 65504.0


def storable(model: ModelProto) -> tuple[str, ...]:
    """Names of the constants that gain by it."""
    outputs = {value.name for value in model.graph.output}
    return tuple(
        tensor.name
        for tensor in model.graph.initializer
        if tensor.data_type == _FLOAT
        and int(np.prod(tensor.dims, dtype=np.int64)) >= _SMALLEST
        and tensor.name not in outputs
    )


def store_halves(
    model: ModelProto,
    kind: Literal["float16", "bfloat16"],
    *,
    only: Collection[str] | None = None,
) -> tuple[str, ...]:
    """Keep constants in 16 bits and cast them up where they are read, in place; their names.
    only: of those that are storable, by default all.

    onnxruntime does the casts once, when it loads the file: on a processor it computes in float32
    either way, and a graph in float16 would be cast at every operator (0.91x to 1.00x). Tables of
    embeddings are cast after their rows were taken. DistilError for values beyond float16.
    """
    from onnx import TensorProto, helper

    number = TensorProto.FLOAT16 if kind == "float16" else TensorProto.BFLOAT16
    rewriter = Rewriter(model)
    halves: dict[str, str] = {}
    wanted = set(storable(model) if only is None else only)
    for tensor in model.graph.initializer:
        if tensor.name not in wanted:
            continue
        value = rewriter.value(tensor.name)
        if kind == "float16" and (np.abs(value[np.isfinite(value)]) > _LARGEST_HALF).any():
            what = f"the weight `{tensor.name}` is beyond float16"
            raise DistilError(what, cure="use bfloat16, or weight-only")
        halves[tensor.name] = rewriter.name(f"{tensor.name}_half")
        data = half_bytes(value, kind)
        rewriter.add_tensor(
            helper.make_tensor(halves[tensor.name], number, list(tensor.dims), data, raw=True)
        )
    whole = inner_reads(model) & set(halves)  # read as a whole, and so cast as a whole
    for node in model.graph.node:
        is_table = node.op_type == "Gather" and node.input[0] in halves
        whole.update(name for name in node.input[is_table:] if name in halves)
        if is_table:
            out = node.output[0]
            rows = rewriter.name(f"{out}_half")
            taken = type(node).FromString(node.SerializeToString())
            taken.input[0], taken.output[0] = halves[node.input[0]], rows
            rewriter.replace(node, [taken, rewriter.node("Cast", [rows], out, to=_FLOAT)])
    for name in halves:
        if name in whole:
            rewriter.prepend(rewriter.node("Cast", [halves[name]], name, to=_FLOAT))
    rewriter.finish()
    return tuple(halves)


def half_bytes(value: NDArray[np.float32], kind: Literal["float16", "bfloat16"]) -> bytes:
    """float32 to 16 bits, to the nearest, ties to even."""
    if kind == "float16":
        return value.astype("<f2").tobytes()
    bits = np.ascontiguousarray(value, dtype="<f4").view("<u4").astype(np.uint64)
    rounded = (bits + 0x7FFF + ((bits >> 16) & 1)) >> 16
    return rounded.astype("<u2").tobytes()
