"""Masks that softmax turns into zeros, and not into denormals.

Swin adds -100 where a window must not look. exp(-100) is 4e-44, below what a float32 holds in full,
and products with such numbers take a processor many times as long: more than half of the time of a
Swin-T with all else in int8. From -10,000, as BERT's masks have it, softmax gives 0 exactly.
Answers differ only where scores of one row are more than some 80 apart.
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


def deepen(model: ModelProto) -> None:
    """Constants of about -100 that are added to what goes into a Softmax become -10,000, in place;
    what else reads them keeps them."""
    graph = model.graph
    made_by = {name: node for node in graph.node for name in node.output}
    stored = {tensor.name: tensor for tensor in graph.initializer}
    deep: dict[str, str] = {}
    waiting = [node.input[0] for node in graph.node if node.op_type == "Softmax"]
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
            if source not in deep and (made := _deepened(stored[source])) is not None:
                graph.initializer.append(made)
                deep[source] = made.name
            node.input[place] = deep.get(source, source)


def _deepened(tensor: TensorProto) -> TensorProto | None:
    """Under a name of its own; None where nothing of it is a shallow mask."""
    from onnx import TensorProto as Types
    from onnx import numpy_helper

    if tensor.data_type != Types.FLOAT:
        return None
    values = numpy_helper.to_array(tensor)
    masks = (values <= _SHALLOW) & (values > _DEEPEST)
    if not masks.any():
        return None
    lower = np.where(masks, np.float32(_DEEP), values)
    return numpy_helper.from_array(lower, f"{tensor.name}_deep")
