"""A network as torch.export's program, and what each operation of it makes."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, fx, nn

from compress.errors import InputError
from exporters.errors import DistilError

NO_GRAD = "wrap_with_set_grad_enabled"
AUTOCAST = "wrap_with_autocast"
# Absent from a program where there is nothing to do, as for the rows of one head.
_LAYOUT = frozenset({"aten.contiguous.default", "aten.clone.default"})
GRAPH_ARGUMENT = {NO_GRAD: 1, AUTOCAST: 4}  # which argument is the graph inside


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One operation. shapes: of its results; numbers: those that it computes with."""

    operator: str
    shapes: tuple[tuple[int, ...], ...]
    numbers: tuple[float, ...]


def program_of(module: nn.Module, inputs: tuple[Tensor, ...]) -> torch.export.ExportedProgram:
    """Raises InputError where torch.export can't follow the module, which is put in eval mode."""
    before = logging.root.manager.disable
    try:
        with torch.no_grad(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            logging.disable(logging.CRITICAL)
            return torch.export.export(module.eval(), inputs, strict=False)
    except (DistilError, MemoryError):
        raise
    except Exception as error:  # whatever the module raises
        lines = str(error).strip().splitlines()
        said = f"{type(error).__name__}: {lines[0][:300] if lines else ''}"
        cure = "its forward pass must be tensor code that torch.export can follow"
        what = f"can't be pruned: it can't be captured: {said}"
        raise InputError(what, where=type(module).__name__, cure=cure) from error
    finally:
        logging.disable(before)


def is_step(target: Any) -> bool:
    """Whether it is an operation on tensors that does more than to lay out memory."""
    return isinstance(target, torch._ops.OpOverload) and str(target) not in _LAYOUT


def steps_of(graph: fx.GraphModule) -> Iterator[Step]:
    """The operations on tensors in the order in which they run, those of inner graphs included."""
    for node in graph.graph.nodes:
        if node.op != "call_function":
            continue
        inner = GRAPH_ARGUMENT.get(getattr(node.target, "__name__", ""))
        if inner is not None:
            yield from steps_of(getattr(graph, str(node.args[inner].target)))
        elif is_step(node.target):
            made: Any = node.meta.get("val")
            results = made if isinstance(made, (list, tuple)) else (made,)
            yield Step(
                operator=str(node.target),
                shapes=tuple(
                    tuple(int(size) for size in one.shape) if isinstance(one, Tensor) else ()
                    for one in results
                ),
                numbers=tuple(_numbers(node)),
            )


def _numbers(node: fx.Node) -> Iterator[float]:
    """Fractions, and whole numbers where they are no sizes or places of axes."""
    target: Any = node.target
    pointwise = torch.Tag.pointwise in target.tags
    for value in (*node.args, *node.kwargs.values()):
        if isinstance(value, float) or (pointwise and type(value) is int):
            yield float(value)
