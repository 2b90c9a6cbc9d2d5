"""One pass over a network's graph that finds which channels belong together.

The graph is torch.export's. Every operation runs twice: on numbers, and on labels of channels. What
only moves data (views, concatenations, rolls, indexing) runs as it is on the labels, so that no
layout has to be known; sums, products and norms join the labels that meet in them (rules.py). So
the hidden width of a transformer is found as that of a convolution is, through embeddings, norms,
residuals and heads. torch-pruning 1.6.1 walks the graph of gradients, where the axes of a tensor
are unknown, and fails there.
"""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, fx, nn

from compress.errors import InputError
from compress.prune.machine import Machine, Value
from compress.prune.program import GRAPH_ARGUMENT, is_step, program_of, steps_of
from compress.prune.rules import labels_after
from compress.prune.values import Traced

_ROWS = 2  # of the example: one would be taken for a constant


def trace(module: nn.Module, example: Sequence[Tensor]) -> Traced:
    """The labels of a module in eval mode. example: its inputs, (batch, ...).

    Raises InputError where torch.export can't follow it.
    """
    inputs = rows_of(example)
    program = program_of(module, inputs)
    signature = program.graph_signature
    state = {**program.state_dict, **program.constants}
    names = {**signature.inputs_to_parameters, **signature.inputs_to_buffers}
    constants = dict(signature.inputs_to_lifted_tensor_constants)
    machine = Machine(found=Traced(), batch=len(inputs[0]))
    given = list(inputs)
    values: list[Any] = []
    first_name = _first_names(module)
    for spec in signature.input_specs:
        held = spec.arg.name
        if held in names:
            name = names[held]
            values.append(_parameter(machine, first_name.get(name, name), state[name]))
        elif held in constants:
            values.append(Value(state[constants[held]].clone(), None, None))
        elif hasattr(spec.arg, "value"):
            values.append(spec.arg.value)
        else:
            values.append(_input(machine, given.pop(0)))
    with torch.no_grad():
        outputs = _interpret(program.graph_module, values, machine)
    machine.found.steps.extend(steps_of(program.graph_module))
    _freeze_attention(module, machine)
    for value in _flat(outputs):
        if isinstance(value, Value):
            machine.found.known.freeze(machine.labels(value), "the output")
    return machine.found


def _freeze_attention(module: nn.Module, machine: Machine) -> None:
    """torch.nn.MultiheadAttention wants as many channels outside as its heads have together."""
    for name, part in module.named_modules():
        if isinstance(part, nn.MultiheadAttention):
            for own, _ in part.named_parameters(prefix=name):
                for labels in machine.found.axes.get(own, {}).values():
                    machine.found.known.freeze(labels, f"torch.nn.MultiheadAttention in {name}")


def _first_names(module: nn.Module) -> dict[str, str]:
    """The name under which a shared tensor comes first, by every name that it has."""
    seen: dict[int, str] = {}
    names = {}
    for named in (module.named_parameters, module.named_buffers):
        for name, tensor in named(remove_duplicate=False):
            names[name] = seen.setdefault(id(tensor), name)
    return names


def rows_of(example: Sequence[Tensor]) -> tuple[Tensor, ...]:
    """The part of the example that is followed."""
    return tuple(_rows(tensor) for tensor in example)


def _rows(tensor: Tensor) -> Tensor:
    if tensor.ndim == 0 or not len(tensor):
        raise InputError("the example has no batch axis", cure="give a tensor of (batch, ...)")
    plain = tensor.detach()[:_ROWS]
    return plain if len(plain) > 1 else plain.repeat_interleave(_ROWS, dim=0)


def _parameter(machine: Machine, name: str, tensor: Tensor) -> Value:
    machine.found.shapes[name] = tuple(tensor.shape)
    if tensor.ndim == 0 or tensor.numel() == 1 or not tensor.is_floating_point():
        return Value(tensor.detach(), None, None)
    return Value(tensor.detach(), None, (name, tuple(range(tensor.ndim))))


def _input(machine: Machine, tensor: Tensor) -> Value:
    if not tensor.is_floating_point() or tensor.ndim < 2:
        return Value(tensor, None, None)
    labels = machine.found.known.fresh(1, *tensor.shape[1:]).expand(tensor.shape)
    machine.found.known.freeze(labels, "the input")
    return Value(tensor, labels, None)


def _interpret(graph: fx.GraphModule, given: Sequence[Any], machine: Machine) -> Any:
    values: dict[fx.Node, Any] = {}
    waiting = list(given)
    last = {source: node for node in graph.graph.nodes for source in node.all_input_nodes}
    for node in graph.graph.nodes:
        if node.op == "placeholder":
            values[node] = waiting.pop(0)
        elif node.op == "get_attr":
            values[node] = _attribute(graph, str(node.target))
        elif node.op == "output":
            return fx.map_arg(node.args[0], lambda source: values[source])
        else:
            values[node] = _call(node, values, machine)
        for source in node.all_input_nodes:
            if last[source] is node:
                values.pop(source, None)
    raise AssertionError("a graph without an output")


def _attribute(graph: fx.GraphModule, dotted: str) -> Any:
    found: Any = graph
    for name in dotted.split("."):
        found = getattr(found, name)
    return Value(found.detach(), None, None) if isinstance(found, Tensor) else found


def _call(node: fx.Node, values: dict[fx.Node, Any], machine: Machine) -> Any:
    args: Any = fx.map_arg(node.args, lambda source: values[source])
    named: Any = fx.map_arg(node.kwargs, lambda source: values[source])
    target: Any = node.target
    name = getattr(target, "__name__", str(target))
    if target is operator.getitem:
        return args[0][args[1]]
    if name in GRAPH_ARGUMENT:
        place = GRAPH_ARGUMENT[name]
        return _interpret(args[place], args[place + 1 :], machine)
    plain = _plain(args), {key: _plain(value) for key, value in named.items()}
    result = target(*plain[0], **plain[1])
    if not isinstance(target, torch._ops.OpOverload):
        return result
    machine.module = _module_of(node)
    labels = labels_after(machine, target, args, named, result)
    machine.step += is_step(target)
    return _wrapped(result, labels)


def _wrapped(result: Any, labels: Any) -> Any:
    if isinstance(result, Tensor):
        return Value(result, labels, None) if not isinstance(labels, Value) else labels
    if isinstance(result, (list, tuple)):
        given = labels if isinstance(labels, (list, tuple)) else [None] * len(result)
        return [_wrapped(one, label) for one, label in zip(result, given, strict=True)]
    return result


def _module_of(node: fx.Node) -> str:
    """The path of the innermost module whose code this is."""
    stack = node.meta.get("nn_module_stack") or {}
    paths = [str(entry[0]) for entry in stack.values()]
    return paths[-1].partition("@")[0] if paths else ""


def _plain(value: Any) -> Any:
    if isinstance(value, Value):
        return value.tensor
    if isinstance(value, (list, tuple)):
        return type(value)(_plain(item) for item in value)
    return value


def _flat(value: Any) -> list[Any]:
    if isinstance(value, (list, tuple)):
        return [item for one in value for item in _flat(one)]
    if isinstance(value, dict):
        return [item for one in value.values() for item in _flat(one)]
    return [value]
