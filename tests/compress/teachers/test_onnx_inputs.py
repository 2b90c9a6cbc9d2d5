"""A file with several inputs is fed by their names, in whatever order it declares them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper, save
from pydantic import TypeAdapter

from compress.errors import InputError
from compress.recipe.nodes import TeacherNode
from compress.tasks.tokens import TOKEN_INPUTS
from compress.teachers.build import build_teacher
from compress.teachers.onnx_file import onnx_teacher

IDS = torch.tensor([[5, 7, 3], [2, 9, 0]])
MASK = torch.tensor([[1, 1, 1], [1, 1, 0]])


def counting(path: Path, names: tuple[str, str]) -> Path:
    """(sum of the ids, number of tokens) of each text, its inputs declared in this order."""
    axes = numpy_helper.from_array(np.array([1]), "axes")
    nodes = [
        helper.make_node("ReduceSum", ["input_ids", "axes"], ["ids"]),
        helper.make_node("ReduceSum", ["attention_mask", "axes"], ["tokens"]),
        helper.make_node("Concat", ["ids", "tokens"], ["both"], axis=1),
        helper.make_node("Cast", ["both"], ["scores"], to=TensorProto.FLOAT),
    ]
    given = [helper.make_tensor_value_info(n, TensorProto.INT64, ["n", "t"]) for n in names]
    scores = helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["n", 2])
    graph = helper.make_graph(nodes, "g", given, [scores], [axes])
    save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), path)
    return path


@pytest.mark.parametrize("names", [TOKEN_INPUTS, TOKEN_INPUTS[::-1]], ids=["same", "reversed"])
def test_the_order_in_which_a_file_declares_its_inputs_changes_no_answer(
    names: tuple[str, str], tmp_path: Path
) -> None:
    file = counting(tmp_path / "teacher.onnx", names)
    teacher = onnx_teacher(file, digest="", threads=1, input_names=TOKEN_INPUTS)
    np.testing.assert_array_equal(teacher.answer(IDS, MASK), [[15, 3], [11, 2]])
    node: dict[str, Any] = {"kind": "onnx", "path": file.name}
    for one in (node, {"kind": "several", "of": (node, node)}):
        built = build_teacher(
            TypeAdapter(TeacherNode).validate_python(one),
            folder=tmp_path,
            threads=1,
            input_names=TOKEN_INPUTS,
        )
        members = [member for member, _ in built.members] or [built]
        for member in members:
            np.testing.assert_array_equal(member.answer(IDS, MASK), [[15, 3], [11, 2]])


def test_other_names_than_the_tasks_are_refused(tmp_path: Path) -> None:
    file = counting(tmp_path / "teacher.onnx", TOKEN_INPUTS)
    teacher = onnx_teacher(file, digest="", threads=1, input_names=("tokens", "attention_mask"))
    with pytest.raises(InputError, match="the task gives 'tokens', 'attention_mask'"):
        teacher.answer(IDS, MASK)
