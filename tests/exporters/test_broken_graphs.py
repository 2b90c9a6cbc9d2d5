"""Models that parse and are wrong: refused with the node's name, and before any allocation."""

from __future__ import annotations

import resource
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper
from tiny_models import conv_model, linear_model, save

from exporters.artifact import open_artifact
from exporters.errors import RefusedModel
from exporters.values import TensorSpec


def _cycle(model: onnx.ModelProto) -> None:
    model.graph.node[0].input[0] = "active"


def _unsorted(model: onnx.ModelProto) -> None:
    relu = onnx.NodeProto()
    relu.CopyFrom(model.graph.node[1])
    del model.graph.node[1]
    model.graph.node.insert(0, relu)


def _doubled_value(model: onnx.ModelProto) -> None:
    model.graph.node[1].output[0] = "hidden"


def _doubled_node(model: onnx.ModelProto) -> None:
    model.graph.node[1].name = "conv"


def _doubled_initialiser(model: onnx.ModelProto) -> None:
    model.graph.initializer.append(model.graph.initializer[0])


def _undefined(model: onnx.ModelProto) -> None:
    model.graph.node[1].input[0] = "nobody"


def _unmade_output(model: onnx.ModelProto) -> None:
    model.graph.output[0].name = "nobody"


def _future_opset(model: onnx.ModelProto) -> None:
    model.opset_import[0].version = 999


def _no_opset(model: onnx.ModelProto) -> None:
    del model.opset_import[:]


def _future_ir(model: onnx.ModelProto) -> None:
    model.ir_version = 999


def _unknown_domain(model: onnx.ModelProto) -> None:
    model.graph.node[1].domain = "com.example"


def _imported_unknown_domain(model: onnx.ModelProto) -> None:
    _unknown_domain(model)
    model.opset_import.append(helper.make_opsetid("com.example", 1))


def _unknown_operator(model: onnx.ModelProto) -> None:
    model.graph.node[1].op_type = "Rellu"


def _compiled_blob(model: onnx.ModelProto) -> None:
    model.graph.node[1].op_type = "EPContext"
    model.graph.node[1].domain = "com.microsoft"
    model.opset_import.append(helper.make_opsetid("com.microsoft", 1))


def _missing_attribute(model: onnx.ModelProto) -> None:
    model.graph.node[1].attribute.append(helper.make_attribute("slope", 0.1))


BROKEN: dict[str, tuple[Callable[[onnx.ModelProto], None], str]] = {
    "cycle": (_cycle, r"node 'conv' \(Conv\) is part of a cycle"),
    "unsorted": (_unsorted, r"node 'relu' \(Relu\) comes before the nodes that it reads"),
    "doubled value": (_doubled_value, r"node 'relu' \(Relu\) makes 'hidden', which exists"),
    "doubled node": (_doubled_node, "two nodes are named 'conv'"),
    "doubled initialiser": (_doubled_initialiser, "two initialisers are named 'w'"),
    "undefined": (_undefined, r"node 'relu' \(Relu\) reads 'nobody', which nothing makes"),
    "unmade output": (_unmade_output, "the output 'nobody' is made by no node"),
    "future opset": (_future_opset, "asks for opset 999; the installed onnx knows 1 to "),
    "no opset": (_no_opset, "names no version of the standard operator set"),
    "future IR": (_future_ir, "has IR version 999"),
    "unknown domain": (_unknown_domain, r"node 'relu' \(Relu\) is of the operator domain 'com.ex"),
    "imported domain": (_imported_unknown_domain, r"'relu' \(Relu\) is an operator that domain 'c"),
    "unknown operator": (_unknown_operator, r"node 'relu' \(Rellu\) is an operator that opset 20"),
    "compiled blob": (_compiled_blob, r"node 'relu' \(EPContext\) loads a compiled blob"),
    "attribute": (_missing_attribute, "not a valid ONNX model: Unrecognized attribute: slope"),
}


@pytest.mark.parametrize("kind", sorted(BROKEN))
def test_a_broken_graph_is_refused_with_its_place(tmp_path: Path, kind: str) -> None:
    breaker, words = BROKEN[kind]
    model = conv_model()
    breaker(model)
    path = save(model, tmp_path / "m.onnx")
    with pytest.raises(RefusedModel, match=words) as caught:
        open_artifact(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert str(caught.value).isprintable()


def test_names_with_control_characters_are_escaped(tmp_path: Path) -> None:
    model = conv_model()
    model.graph.node[1].name = "\x1b[31m::error\n</script>|" + "x" * 5000
    model.graph.node[1].input[0] = "nobody"
    with pytest.raises(
        RefusedModel, match=r"node '\\x1b\[31m::error\\n</script>\|x+\.\.\.'"
    ) as hit:
        open_artifact(save(model, tmp_path / "m.onnx"))
    assert str(hit.value).isprintable()
    assert len(hit.value.what) < 300


@pytest.mark.parametrize("dims", [[2**31, 2**31], [2**62, 2**62], [2**40], [-1, 3], [3, 3]])
def test_an_initialiser_must_hold_what_its_dims_say(tmp_path: Path, dims: list[int]) -> None:
    model = conv_model()
    weight = model.graph.initializer[0]
    del weight.dims[:]
    weight.dims.extend(dims)
    if dims != [3, 3]:
        weight.ClearField("raw_data")
    path = save(model, tmp_path / "m.onnx")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(RefusedModel, match=r"'w'.*(its dims say [\d,]+|negative dimension)"):
        open_artifact(path)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000  # KiB


def test_what_a_model_is_is_read_from_the_file(tmp_path: Path) -> None:
    artifact = open_artifact(save(conv_model(opset=17), tmp_path / "m.onnx"))
    assert (artifact.opset, artifact.ir_version) == (17, 10)
    assert (artifact.precision, artifact.parameters) == ("float32", 108)
    images = TensorSpec(name="images", dtype="float32", shape=("batch", 3, 8, 8))
    assert artifact.inputs == (images,)
    assert artifact.outputs == (
        TensorSpec(name="pooled", dtype="float32", shape=("batch", 4, 1, 1)),
    )


def test_int8_and_float16_files_are_told_apart(tmp_path: Path) -> None:
    """Scales and zero points are no parameters; half of the weights in 8 bits make int8."""
    quantized = linear_model(np.zeros((4, 3)))
    graph = quantized.graph
    del graph.initializer[:]
    graph.initializer.extend(
        [
            helper.make_tensor("q", TensorProto.INT8, [4, 3], bytes(12), raw=True),
            helper.make_tensor("scale", TensorProto.FLOAT, [3], [1.0] * 3),
            helper.make_tensor("zero", TensorProto.INT8, [3], bytes(3), raw=True),
        ]
    )
    node = helper.make_node("DequantizeLinear", ["q", "scale", "zero"], ["w"], name="dq", axis=1)
    graph.node.insert(0, node)
    artifact = open_artifact(save(quantized, tmp_path / "int8.onnx"))
    assert (artifact.precision, artifact.parameters) == ("int8", 12)

    half = linear_model(np.zeros((4, 3)))
    weight = half.graph.initializer[0]
    weight.data_type, weight.raw_data = TensorProto.FLOAT16, bytes(24)
    for value in (half.graph.input[0], half.graph.output[0]):
        value.type.tensor_type.elem_type = TensorProto.FLOAT16
    artifact = open_artifact(save(half, tmp_path / "half.onnx"))
    assert (artifact.precision, artifact.parameters) == ("float16", 12)
    assert artifact.inputs[0].dtype == "float16"
