"""Which plans are worth trying for a network, by its operators."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from compress.quantize.linear import Form
from compress.quantize.mixed import Plan, everything, rounded_alone

if TYPE_CHECKING:
    from onnx import ModelProto

_POOLING = frozenset({"GlobalAveragePool", "ReduceMean"})


def plans(model: ModelProto) -> dict[str, Plan]:
    """By name, those whose answers don't depend on batch mates first; `dynamic` ones are last.

    Convolutions as one chain; without its depthwise ones; without those behind a global mean
    (squeeze-and-excite); without either: on some processors none of these gains in int8. Products
    of a transformer in each form.
    """
    whole = everything(model)
    chains: dict[str, tuple[str, ...]] = {}
    if whole.chain:
        thin, gates = depthwise(model), behind_a_mean(model)
        chains["static"] = whole.chain
        chains["static, depthwise in float"] = _without(whole.chain, thin)
        chains["static, gates in float"] = _without(whole.chain, gates)
        chains["static, depthwise and gates in float"] = _without(whole.chain, {*thin, *gates})
        chains = _distinct(chains)
    found: dict[str, Plan] = {}
    if not rounded_alone(model):
        return {name: Plan(chain=chain) for name, chain in chains.items()}
    forms: tuple[Form, ...] = ("static", "row", "dynamic")
    for form in forms:
        by_node = dict.fromkeys(whole.products, form)
        if not chains:
            found[form] = Plan(products=by_node)
            continue
        for name, chain in chains.items():
            found[f"convolutions {name}; products {form}"] = Plan(chain=chain, products=by_node)
        found[f"convolutions in float; products {form}"] = Plan(products=by_node)
    if chains:
        found["convolutions static; products in float"] = Plan(chain=whole.chain)
    return found


def is_invariant(plan: Plan) -> bool:
    """Whether no answer can depend on what else is in its batch."""
    return "dynamic" not in plan.products.values()


def without(plan: Plan, nodes: Collection[str]) -> Plan:
    """The plan with some nodes left in float."""
    return replace(
        plan,
        chain=_without(plan.chain, nodes),
        products={name: form for name, form in plan.products.items() if name not in nodes},
    )


def refined(plan: Plan, nodes: Collection[str]) -> Plan:
    """The plan with some nodes in two steps of int8, or in float where there is no such form."""
    twice: dict[str, Form] = {name: "twice" for name in plan.products if name in nodes}
    return replace(plan, chain=_without(plan.chain, nodes), products={**plan.products, **twice})


def depthwise(model: ModelProto) -> tuple[str, ...]:
    """Convolutions with a group per channel."""
    constants = {tensor.name: tensor for tensor in model.graph.initializer}
    found = []
    for node in model.graph.node:
        if node.op_type != "Conv" or node.input[1] not in constants:
            continue
        group = next((a.i for a in node.attribute if a.name == "group"), 1)
        if group > 1 and group == constants[node.input[1]].dims[0]:
            found.append(node.name)
    return tuple(found)


def behind_a_mean(model: ModelProto) -> tuple[str, ...]:
    """Nodes from a mean over the picture to the product that it scales, both included.

    A gate gives back to the picture what its mean says; a head, behind the last mean, does not.
    """
    readers: dict[str, list[str]] = {}
    nodes = {node.name: node for node in model.graph.node}
    for node in model.graph.node:
        for name in node.input:
            readers.setdefault(name, []).append(node.name)
    found: dict[str, None] = {}
    for node in model.graph.node:
        if node.op_type not in _POOLING:
            continue
        path, waiting = [node.name], list(node.output)
        closes = False
        while waiting:
            for reader in readers.get(waiting.pop(), ()):
                if reader in path:
                    continue
                path.append(reader)
                if nodes[reader].op_type == "Mul" and node.input[0] in nodes[reader].input:
                    closes = True
                else:
                    waiting += nodes[reader].output
        if closes:
            found.update(dict.fromkeys(path))
    return tuple(found)


def _without(chain: tuple[str, ...], nodes: Collection[str]) -> tuple[str, ...]:
    return tuple(name for name in chain if name not in nodes)


def _distinct(chains: Mapping[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
    seen: dict[tuple[str, ...], str] = {}
    for name, chain in chains.items():
        if chain:
            seen.setdefault(chain, name)
    return {name: chain for chain, name in seen.items()}
