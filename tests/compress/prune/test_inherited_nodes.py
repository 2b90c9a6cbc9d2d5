"""Recipe nodes of students that begin as a part of their teacher, and what keys hold of them."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path

import pytest
from pydantic import TypeAdapter

from compress.errors import RecipeError
from compress.recipe.inherited_nodes import WITH_FILES, InheritedStudent
from compress.recipe.load import load_recipe
from compress.recipe.student_nodes import BuiltStudent
from compress.recipe.teacher_nodes import TorchTeacher

RECIPE = """
schema: 1
name: toy
task: {kind: python, target: "project.py:data"}
teacher: {kind: torch, target: "project.py:teacher", weights: teacher.safetensors}
student: {kind: pruned, macs: 50%}
distill: {loss: kd}
"""


def test_keys_hold_digests_and_the_job_gets_the_files() -> None:
    teacher = TorchTeacher(kind="torch", target="a.py:b", weights="w.safetensors")
    node = InheritedStudent(
        kind="inherited", teacher=teacher, plan="{}", weights="/store/ab", weights_digest="cd"
    )
    key = node.model_dump(mode="json")
    assert (key["plan"], key["weights"]) == (sha256(b"{}").hexdigest(), "")
    moved = node.model_copy(update={"weights": "/elsewhere/ab"})
    assert moved.model_dump(mode="json") == key
    job = node.model_dump(mode="json", context=WITH_FILES)
    assert TypeAdapter(BuiltStudent).validate_python(job) == node


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (("student={kind: pruned}",), "wants one of macs and ratio"),
        (("student={kind: pruned, macs: 0.5}",), "has no unit"),
        (("student={kind: prunned, macs: 50%}",), "did you mean 'pruned'"),
        (("student={kind: inherited, plan: x}",), "no kind 'inherited'"),
        (("student={kind: truncated, layers: 0}",), "layers"),
        (("teacher={kind: onnx, path: a.onnx}",), "a teacher of kind onnx has no layers"),
    ],
)
def test_what_makes_no_sense_is_refused_with_its_place(
    tmp_path: Path, overrides: tuple[str, ...], message: str
) -> None:
    path = tmp_path / "recipe.yaml"
    path.write_text(RECIPE)
    assert load_recipe(path).recipe.student.kind == "pruned"
    with pytest.raises(RecipeError, match=message):
        load_recipe(path, overrides=overrides)
