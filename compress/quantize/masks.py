"""Masks that softmax turns into zeros, and not into denormals.

Swin adds -100 where a window must not look. exp(-100) is 4e-44, below what a float32 holds in full,
and products with such numbers take a processor many times as long: more than a third of the time of
a Swin-T with all else in int8. From -10,000, as BERT's masks have it, softmax gives 0 exactly.
Answers differ only where scores of one row are more than some 80 apart. What is no mask stays: a
bias, and what goes into a softmax whose results are not multiplied on, of which a logarithm may be
taken.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from onnx import ModelProto, TensorProto

# exp() of less than -87.3 is a denormal, of less than -103.9 zero; scores add to the mask.
_SHALLOW, _DEEPEST = -80.0, -1000.0
_DEEP = -10_000.0
# Operator -> which inputs are handed on as they are, or added up; None: all.
_HANDS_ON: dict[str, tuple[int, ...] | None] = {
    "Add": None,
    "Concat": None,
    "Expand": (0,),
    "Gather": (0,),
    "Identity": (0,),
    "Reshape": (0,),
    "Slice": (0,),
    "Squeeze": (0,),
    "Transpose": (0,),
    "Unsqueeze": (0,),
    "Where": (1, 2),
}
# What may read the shares of an attention: products, and what lies between.
_MIXES = frozenset({"MatMul", "Einsum", "Dropout", "Identity", "Cast", "Reshape", "Transpose"})


def deepen(model: ModelProto) -> None:
    """Constants of about -100 that are added to what goes into a Softmax become -10,000, in place;
    what else reads them keeps them."""
    graph = model.graph
    made_by = {name: node for node in graph.node for name in node.output}
    stored = {tensor.name: tensor for tensor in graph.initializer}
    taken = {*stored, *made_by, *(value.name for value in graph.input)}
    deep: dict[str, str] = {}
    waiting = _of_attention(model)
    seen: set[str] = set()
    while waiting:
        name = waiting.pop()
        node = made_by.get(name)
        if node is None or name in seen or node.op_type not in _HANDS_ON:
            continue
        seen.add(name)
        places = _HANDS_ON[node.op_type]
        for place in range(len(node.input)) if places is None else places:
            source = node.input[place]
            if source not in stored:
                waiting.append(source)
                continue
            made = None if source in deep else _deepened(stored[source])
            if made is not None:
                while made.name in taken:
                    made.name += "_"
                taken.add(made.name)
                graph.initializer.append(made)
                deep[source] = made.name
            node.input[place] = deep.get(source, source)


def _of_attention(model: ModelProto) -> list[str]:
    """What goes into each softmax whose results are multiplied on."""
    readers: dict[str, set[str]] = {}
    for node in model.graph.node:
        for name in node.input:
            readers.setdefault(name, set()).add(node.op_type)
    return [
        node.input[0]
        for node in model.graph.node
        if node.op_type == "Softmax" and set() < readers.get(node.output[0], set()) <= _MIXES
    ]


def _deepened(tensor: TensorProto) -> TensorProto | None:
    """Under another name; None where it is no shallow mask: that has zeros beside, or is a number
    that Where puts in."""
    from onnx import TensorProto as Types
    from onnx import numpy_helper

    if tensor.data_type != Types.FLOAT:
        return None
    values = numpy_helper.to_array(tensor)
    masks = (values <= _SHALLOW) & (values > _DEEPEST)
    if not masks.any() or (values[~masks] != 0).any() or (values.size > 1 and masks.all()):
        return None
    lower = np.where(masks, np.float32(_DEEP), values)
    return numpy_helper.from_array(lower, f"{tensor.name}_deep")
