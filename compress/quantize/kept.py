"""Which operators stayed in float, and why: for a reader, by the names of their weights."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING

from compress.quantize.candidates import behind_a_mean, depthwise
from compress.quantize.mixed import Plan
from compress.quantize.operators import tail, thin_stems
from compress.quantize.values import KeptFloat

if TYPE_CHECKING:
    from onnx import ModelProto

_HEAVY = frozenset(
    {"Conv", "ConvTranspose", "Gemm", "MatMul", "LSTM", "GRU", "RNN", "Attention", "Einsum"}
)
_RECURRENT = frozenset({"LSTM", "GRU", "RNN"})


def kept_in_float(
    model: ModelProto,
    plan: Plan,
    *,
    sensitive: Collection[str] = (),
    otherwise: str = "int8 was not faster here",
) -> tuple[KeptFloat, ...]:
    """The heavy operators that a plan leaves. sensitive: nodes left for the sake of accuracy.
    otherwise: why others are left; by default a search timed them."""
    constants = {tensor.name for tensor in model.graph.initializer}
    rounded = {*plan.chain, *plan.products}
    left: Mapping[str, str] = {
        **dict.fromkeys(behind_a_mean(model), f"a gate over a mean: {otherwise}"),
        **dict.fromkeys(depthwise(model), f"a depthwise convolution: {otherwise}"),
        **dict.fromkeys(tail(model), "behind the last product: its scores stay exact"),
        **dict.fromkeys(thin_stems(model), "a first convolution of fewer than 32 products a sum"),
        **dict.fromkeys(sensitive, "int8 there costs too much accuracy"),
    }
    found = []
    for node in model.graph.node:
        if node.op_type not in _HEAVY or node.name in rounded:
            continue
        weights = [name for name in node.input if name in constants]
        if node.op_type in _RECURRENT:
            reason = "recurrent: has no static int8 form in onnxruntime"
        elif node.op_type in {"Attention", "Einsum"} or not weights:
            reason = "a product of two activations: their ranges are those of attention"
        else:
            reason = left.get(node.name, otherwise)
        found.append(
            KeptFloat(
                node=weights[0] if weights else node.output[0],
                operator=node.op_type,
                reason=reason,
            )
        )
    return tuple(found)


def kept_by_operator(
    model: ModelProto, done: Collection[str], reason: str
) -> tuple[KeptFloat, ...]:
    """For schemes without a plan: heavy operators whose node isn't among done."""
    constants = {tensor.name for tensor in model.graph.initializer}
    found = []
    for node in model.graph.node:
        if node.op_type in _HEAVY and node.name not in done:
            weights = [name for name in node.input if name in constants]
            two = "a product of two activations" if not weights else reason
            label = weights[0] if weights else node.output[0]
            found.append(KeptFloat(node=label, operator=node.op_type, reason=two))
    return tuple(found)
