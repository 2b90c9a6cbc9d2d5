"""A graph while it is rewritten: its constants by name, its readers, new nodes in place."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from compress.quantize.folded import inner_reads

if TYPE_CHECKING:
    from onnx import ModelProto, NodeProto, TensorProto

CONTRIB = "com.microsoft"  # operators of onnxruntime alone


class Rewriter:
    """Edits a model in place: replace() nodes and add() constants, then finish()."""

    def __init__(self, model: ModelProto) -> None:
        self.model = model
        self.constants: dict[str, TensorProto] = {t.name: t for t in model.graph.initializer}
        self._made: dict[str, list[NodeProto]] = {}  # first output of a node -> what replaces it
        self._added: list[TensorProto] = []
        self._taken = {name for node in model.graph.node for name in node.output}
        self._taken |= {value.name for value in model.graph.input} | set(self.constants)
        self._first: list[NodeProto] = []

    def value(self, name: str) -> NDArray[Any]:
        """A constant as an array."""
        from onnx import numpy_helper

        found: NDArray[Any] = numpy_helper.to_array(self.constants[name])
        return found

    def is_constant(self, name: str) -> bool:
        return name in self.constants

    def name(self, wanted: str) -> str:
        """A name that nothing in the graph has."""
        name, count = wanted, 0
        while name in self._taken:
            count += 1
            name = f"{wanted}_{count}"
        self._taken.add(name)
        return name

    def add(self, wanted: str, value: NDArray[Any] | np.generic) -> str:
        """A new constant; the name that it got."""
        from onnx import numpy_helper

        name = self.name(wanted)
        self._added.append(numpy_helper.from_array(np.asarray(value), name))
        return name

    def add_tensor(self, tensor: TensorProto) -> None:
        """A new constant whose name() was asked for."""
        self._added.append(tensor)

    def prepend(self, node: NodeProto) -> None:
        """A node that reads constants alone, before all others."""
        self._first.append(node)

    def node(self, kind: str, inputs: Iterable[str], out: str, **attributes: Any) -> NodeProto:
        from onnx import helper

        return helper.make_node(kind, list(inputs), [out], name=out, **attributes)

    def contrib(self, kind: str, inputs: Iterable[str], out: str, **attributes: Any) -> NodeProto:
        """A node of onnxruntime's own domain."""
        return self.node(kind, inputs, out, domain=CONTRIB, **attributes)

    def replace(self, node: NodeProto, made: Iterable[NodeProto]) -> None:
        """Put made where node is. Nothing may still read what node gave, or made gives it."""
        self._made[node.output[0]] = list(made)

    def only_reader(self, name: str) -> NodeProto | None:
        """The one node that reads a tensor which is no output of the graph."""
        if any(value.name == name for value in self.model.graph.output):
            return None
        found = [node for node in self.model.graph.node if name in node.input]
        return found[0] if len(found) == 1 else None

    def finish(self) -> None:
        """Write the edits into the model; constants that nothing reads any more go."""
        from onnx import helper

        graph = self.model.graph
        nodes: list[NodeProto] = list(self._first)
        for node in graph.node:
            key = node.output[0] if node.output else ""
            nodes += self._made.get(key, [node]) if key else [node]
        copies = [type(node).FromString(node.SerializeToString()) for node in nodes]
        read = {name for node in copies for name in node.input}
        read |= {value.name for value in graph.output}
        read |= inner_reads(self.model)
        made = {name for node in copies for name in node.output}
        kept = [
            tensor
            for tensor in (*self.constants.values(), *self._added)
            if tensor.name in read and tensor.name not in made
        ]
        tensors = [type(tensor).FromString(tensor.SerializeToString()) for tensor in kept]
        del graph.node[:]
        graph.node.extend(copies)
        del graph.initializer[:]
        graph.initializer.extend(tensors)
        if any(node.domain == CONTRIB for node in copies) and all(
            entry.domain != CONTRIB for entry in self.model.opset_import
        ):
            self.model.opset_import.append(helper.make_opsetid(CONTRIB, 1))
