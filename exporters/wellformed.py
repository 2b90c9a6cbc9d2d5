"""Whether a model's graph hangs together: versions, operators, names and order, named by node.

onnx.checker finds most of this too, but says it without the node or over several lines; it stays
the last word after these checks.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from exporters.errors import RefusedModel
from exporters.tensors import graphs, node_label, quoted

if TYPE_CHECKING:
    from onnx import GraphProto, ModelProto, NodeProto

_STANDARD = frozenset({"", "ai.onnx"})
# Operators that onnx itself has no schema for and onnxruntime has.
_RUNTIME = frozenset({"com.microsoft", "com.microsoft.nchwc", "com.ms.internal.nhwc"})
_AGAIN = "export the model again, or copy it again if it was damaged"


def standard_opset(model: ModelProto) -> int:
    """The version of the standard operator set that the model asks for."""
    versions = [entry.version for entry in model.opset_import if entry.domain in _STANDARD]
    if not versions:
        raise RefusedModel("names no version of the standard operator set", cure=_AGAIN)
    return int(versions[0])


def check_versions(model: ModelProto) -> None:
    """Refuse a file of a newer format, or without a graph."""
    from onnx import IR_VERSION, defs

    if not model.HasField("graph") or not (model.graph.node or model.graph.output):
        raise RefusedModel("has no graph: a truncated model, or none", cure=_AGAIN)
    if not 1 <= model.ir_version <= IR_VERSION:
        what = f"has IR version {model.ir_version}; the installed onnx reads 1 to {IR_VERSION}"
        raise RefusedModel(what, cure="export it again or install a newer onnx")
    newest, opset = defs.onnx_opset_version(), standard_opset(model)
    if not 1 <= opset <= newest:
        what = f"asks for opset {opset}; the installed onnx knows 1 to {newest}"
        raise RefusedModel(what, cure="export it with an opset in that range")


def check_text(model: ModelProto) -> None:
    """Refuse names that are not UTF-8: protobuf hands them out as bytes, which nothing expects."""
    names: list[str] = [entry.domain for entry in model.opset_import]
    for function in model.functions:
        names += (function.name, function.domain, *function.input, *function.output)
        names += (entry.domain for entry in function.opset_import)
        names += _node_names(function.node)
    for graph in graphs(model):
        names += _node_names(graph.node)
        for value in (*graph.input, *graph.output):
            names.append(value.name)
            names += (dim.dim_param for dim in value.type.tensor_type.shape.dim)
        names += (sparse.values.name for sparse in graph.sparse_initializer)
        names += (tensor.name for tensor in graph.initializer)
    if not all(isinstance(name, str) for name in names):
        raise RefusedModel("damaged ONNX model: a name in it is not UTF-8", cure=_AGAIN)


def _node_names(nodes: Iterable[NodeProto]) -> Iterator[str]:
    for node in nodes:
        yield from (node.name, node.op_type, node.domain, *node.input, *node.output)


def check_graph(model: ModelProto) -> None:
    """Refuse unknown operators, doubled or undefined names, and cycles, naming the node."""
    imported = {"" if e.domain in _STANDARD else e.domain: e.version for e in model.opset_import}
    local = {(function.domain, function.name) for function in model.functions}
    for graph in graphs(model):
        _check_operators(graph.node, local, imported)
    for function in model.functions:
        own = {"" if e.domain in _STANDARD else e.domain: e.version for e in function.opset_import}
        _check_operators(function.node, local, own)
        _check_names(function.node, known=set(function.input), outputs=function.output)
    _check_scope(model.graph, outer=set())


def _check_operators(
    nodes: Iterable[NodeProto], local: set[tuple[str, str]], imported: dict[str, int]
) -> None:
    from onnx import defs

    for index, node in enumerate(nodes):
        label = node_label(node, index)
        domain = "" if node.domain in _STANDARD else node.domain
        if (node.domain, node.op_type) in local:
            continue
        if domain not in imported:
            what = f"{label} is of the operator domain {quoted(node.domain)}, which isn't imported"
            raise RefusedModel(what, cure="only models of known operators are run")
        if domain in _RUNTIME:
            if node.op_type == "EPContext":  # names a compiled blob outside the file
                raise RefusedModel(f"{label} loads a compiled blob", cure="give the plain model")
            continue
        # get_schema wants a 32-bit version; check_versions has bounded the standard one only.
        version = min(imported[domain], 2**31 - 1)
        try:
            defs.get_schema(node.op_type, version, domain)
        except defs.SchemaError as exc:
            of = f"domain {quoted(domain)}" if domain else f"opset {version}"
            what = f"{label} is an operator that {of} doesn't have"
            raise RefusedModel(what, cure="custom operators aren't run") from exc


def _check_scope(graph: GraphProto, *, outer: set[str]) -> None:
    names = [value.name for value in graph.input]
    _no_repeat(names, "input")
    stored = [tensor.name for tensor in graph.initializer]
    stored += [sparse.values.name for sparse in graph.sparse_initializer]
    _no_repeat(stored, "initialiser")
    known = outer | set(names) | set(stored)
    defined = set(names) | set(stored)
    _check_names(graph.node, known=known, outputs=[o.name for o in graph.output], own=defined)
    inside = known | {name for node in graph.node for name in node.output}
    for node in graph.node:
        for attribute in node.attribute:
            inner = [attribute.g] if attribute.HasField("g") else []
            for subgraph in (*inner, *attribute.graphs):
                _check_scope(subgraph, outer=inside)


def _no_repeat(names: list[str], kind: str) -> None:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise RefusedModel(f"two {kind}s are named {quoted(name)}", cure=_AGAIN)
        seen.add(name)


def _check_names(
    nodes: Iterable[NodeProto],
    *,
    known: set[str],
    outputs: Iterable[str],
    own: set[str] | None = None,
) -> None:
    """One maker per name, and each name made before it is used. own: names taken in this graph."""
    nodes = list(nodes)
    taken, made_by = set(known if own is None else own), dict[str, int]()
    labels: dict[str, int] = {}
    for index, node in enumerate(nodes):
        if node.name and labels.setdefault(node.name, index) != index:
            raise RefusedModel(f"two nodes are named {quoted(node.name)}", cure=_AGAIN)
        for name in filter(None, node.output):
            if name in taken:
                what = f"{node_label(node, index)} makes {quoted(name)}, which exists already"
                raise RefusedModel(what, cure=_AGAIN)
            taken.add(name)
            made_by[name] = index
    ready = set(known)
    for index, node in enumerate(nodes):
        for name in filter(None, node.input):
            if name in ready:
                continue
            if name not in made_by:
                what = f"{node_label(node, index)} reads {quoted(name)}, which nothing makes"
                raise RefusedModel(what, cure=_AGAIN)
            raise _disorder(nodes, made_by, index)
        ready.update(node.output)
    for name in outputs:
        if name not in ready:
            raise RefusedModel(f"the output {quoted(name)} is made by no node", cure=_AGAIN)


def _disorder(nodes: list[NodeProto], made_by: dict[str, int], start: int) -> RefusedModel:
    """A node that comes before what it reads: on a cycle, or only out of order."""
    label = node_label(nodes[start], start)
    seen: set[int] = set()
    waiting = [start]
    while waiting:
        for name in nodes[waiting.pop()].input:
            maker = made_by.get(name)
            if maker == start:
                return RefusedModel(f"{label} is part of a cycle", cure=_AGAIN)
            if maker is not None and maker not in seen:
                seen.add(maker)
                waiting.append(maker)
    return RefusedModel(f"{label} comes before the nodes that it reads", cure=_AGAIN)
