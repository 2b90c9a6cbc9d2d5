"""Files in which some operators of a network are quantized and all others are float."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from compress.quantize.graph import Rewriter
from compress.quantize.halves import storable, store_halves
from compress.quantize.mixed import Calibrated, Plan, applied
from compress.quantize.products import products
from compress.quantize.tables import round_tables, tables
from compress.quantize.weight_only import round_weights

if TYPE_CHECKING:
    from onnx import ModelProto

PRODUCTS = frozenset({"Conv", "ConvTranspose", "Gemm", "MatMul"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Operator:
    """One that can be quantized. node: its name in the graph; label: the name of its weight, as a
    reader knows it; weights: how many numbers that has."""

    node: str
    kind: str
    label: str
    weights: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Alone:
    """What a quantized file rounds, and `made`: names of nodes -> the model in which those alone
    are quantized. `made` raises DistilError for what the quantizer refuses."""

    operators: tuple[Operator, ...]
    made: Callable[[Collection[str]], ModelProto]


def planned(found: Calibrated, plan: Plan) -> Alone:
    """Of a file in int8: convolutions and products of the plan, each in its form, and tables."""
    model = found.model
    rounded = {*plan.chain, *plan.products}
    rows = {node.name for node in tables(model)} if plan.tables else set()

    def made(nodes: Collection[str]) -> ModelProto:
        part = Plan(
            chain=tuple(name for name in plan.chain if name in nodes),
            products={name: form for name, form in plan.products.items() if name in nodes},
            tables=False,
        )
        trial = applied(found, part)
        rewriter = Rewriter(trial)
        round_tables(rewriter, only=nodes)
        rewriter.finish()
        return trial

    return Alone(operators=weighted(model, rounded, rows=rows), made=made)


def weight_only(model: ModelProto, *, bits: Literal[4, 8]) -> Alone:
    """Of a file whose products have weights in blocks. model: float, its nodes named."""
    every = tuple(product.node for product in products(model))

    def made(nodes: Collection[str]) -> ModelProto:
        trial = _copied(model)
        round_weights(trial, bits=bits, but=[name for name in every if name not in nodes])
        return trial

    return Alone(operators=weighted(model, round_weights(_copied(model), bits=bits)), made=made)


def halves(model: ModelProto, kind: Literal["float16", "bfloat16"]) -> Alone:
    """Of a file with weights in 16 bits. model: float, its nodes named."""
    stored = set(storable(model))

    def made(nodes: Collection[str]) -> ModelProto:
        trial = _copied(model)
        read = {name for node in model.graph.node if node.name in nodes for name in node.input}
        store_halves(trial, kind, only=read & stored)
        return trial

    readers = {node.name for node in model.graph.node if stored.intersection(node.input)}
    rows = {node.name for node in tables(model)}
    return Alone(operators=weighted(model, readers, rows=rows & readers), made=made)


def weighted(
    model: ModelProto, nodes: Collection[str], *, rows: Collection[str] = ()
) -> tuple[Operator, ...]:
    """The convolutions and products with a stored weight among nodes, in the order of the graph,
    and those among rows, which take rows of a table."""
    sizes = {t.name: int(np.prod(t.dims, dtype=np.int64)) for t in model.graph.initializer}
    labels = _labels(model)
    found = []
    for node in model.graph.node:
        stored = [name for name in node.input if name in sizes]
        if stored and (node.name in rows or (node.name in nodes and node.op_type in PRODUCTS)):
            weight = max(stored, key=lambda name: sizes[name])
            label = labels.get(node.name, weight)
            found.append(
                Operator(node=node.name, kind=node.op_type, label=label, weights=sizes[weight])
            )
    return tuple(found)


def _labels(model: ModelProto) -> Mapping[str, str]:
    """Node of a product -> the name of its weight before the exporter turned it over, which took
    the name away: the bias still has it."""
    return {
        product.node: f"{product.bias.rpartition('.')[0]}.weight"
        for product in products(model)
        if "." in product.bias and "." not in product.weight
    }


def _copied(model: ModelProto) -> ModelProto:
    made = type(model)()
    made.CopyFrom(model)
    return made
