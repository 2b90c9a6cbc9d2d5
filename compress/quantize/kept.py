"""Which operators stayed in float, and why: for a reader, by the names of their weights."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import TYPE_CHECKING

from compress.quantize.candidates import behind_a_mean, depthwise
from compress.quantize.folded import inner_graphs
from compress.quantize.mixed import Plan
from compress.quantize.operators import tail, thin_stems
from compress.quantize.tables import endless_tables, tables
from compress.quantize.values import KeptFloat

if TYPE_CHECKING:
    from onnx import ModelProto

_HEAVY = frozenset(
    {"Conv", "ConvTranspose", "Gemm", "MatMul", "LSTM", "GRU", "RNN", "Attention", "Einsum"}
)
_RECURRENT = frozenset({"LSTM", "GRU", "RNN"})
_COSTS = "int8 there costs too much accuracy"
_ENDLESS = "its table holds NaN or infinity, which have no integer"
_COMPUTED = "its weight is computed in the graph from constants: export it as one"


def kept_in_float(
    model: ModelProto,
    plan: Plan,
    *,
    sensitive: Collection[str] = (),
    otherwise: str = "int8 was not faster here",
) -> tuple[KeptFloat, ...]:
    """The heavy operators that a plan leaves, and tables that have no int8 form. sensitive: nodes
    left for the sake of accuracy. otherwise: why others are left; by default a search timed
    them."""
    constants = {tensor.name for tensor in model.graph.initializer}
    rounded = {*plan.chain, *plan.products}
    derived = _derived(model)
    left: Mapping[str, str] = {
        **dict.fromkeys(behind_a_mean(model), f"a gate over a mean: {otherwise}"),
        **dict.fromkeys(depthwise(model), f"a depthwise convolution: {otherwise}"),
        **dict.fromkeys(tail(model), "behind the last product: its scores stay exact"),
        **dict.fromkeys(thin_stems(model), "a first convolution of fewer than 32 products a sum"),
        **dict.fromkeys(sensitive, _COSTS),
    }
    found = []
    for node in model.graph.node:
        if node.op_type not in _HEAVY or node.name in rounded:
            continue
        weights = [name for name in node.input if name in constants]
        if node.op_type in _RECURRENT:
            reason = "recurrent: has no static int8 form in onnxruntime"
        elif not weights and (computed := [n for n in node.input if n in derived]):
            weights, reason = computed, _COMPUTED
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
    rows = [(node, _ENDLESS) for node in endless_tables(model)]
    rows += [(node, _COSTS) for node in tables(model) if not plan.tables]
    found += [
        KeptFloat(node=node.input[0], operator=node.op_type, reason=reason) for node, reason in rows
    ]
    return (*found, *_inside(model))


def kept_by_operator(
    model: ModelProto, done: Collection[str], reason: str
) -> tuple[KeptFloat, ...]:
    """For schemes without a plan: heavy operators whose node isn't among done."""
    constants = {tensor.name for tensor in model.graph.initializer}
    derived = _derived(model)
    found = []
    for node in model.graph.node:
        if node.op_type in _HEAVY and node.name not in done:
            weights = [name for name in node.input if name in constants]
            two = "a product of two activations" if not weights else reason
            if not weights and (computed := [name for name in node.input if name in derived]):
                weights, two = computed, _COMPUTED
            label = weights[0] if weights else node.output[0]
            found.append(KeptFloat(node=label, operator=node.op_type, reason=two))
    return (*found, *_inside(model))


def _derived(model: ModelProto) -> set[str]:
    """Tensors that nodes compute from constants alone."""
    known = {tensor.name for tensor in model.graph.initializer}
    found: set[str] = set()
    for node in model.graph.node:
        plain = not any(True for _ in inner_graphs(node))
        if plain and all(not name or name in known for name in node.input):
            known.update(node.output)
            found.update(node.output)
    return found


def _inside(model: ModelProto) -> Iterator[KeptFloat]:
    """Heavy operators of branches and loops, which no scheme here rounds."""
    outer = {tensor.name for tensor in model.graph.initializer}
    for node in model.graph.node:
        for graph in inner_graphs(node):
            constants = outer | {tensor.name for tensor in graph.initializer}
            for one in graph.node:
                if one.op_type in _HEAVY:
                    label = next((n for n in one.input if n in constants), one.output[0])
                    reason = f"inside {node.op_type}: only the top of the graph is rounded"
                    yield KeptFloat(node=label, operator=one.op_type, reason=reason)
