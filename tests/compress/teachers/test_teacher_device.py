"""An ONNX teacher answers on the device that is asked for, and never on another in its place."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import onnxruntime
import pytest
import torch
from pydantic import TypeAdapter
from toy_task import toy_task

from compress.distill.job import JobSpec, loop_teacher
from compress.recipe.nodes import TeacherNode
from compress.teachers.build import build_teacher
from compress.teachers.onnx_file import onnx_teacher
from exporters.errors import RuntimeMissing

MADE = Path(__file__).parent / "made"
FILE = MADE / "sklearn_mlp.onnx"
ONE: dict[str, Any] = {"kind": "onnx", "path": FILE.name}
NODES: TypeAdapter[Any] = TypeAdapter(TeacherNode)
SPEC = JobSpec(
    mode="train",
    task={},
    student={},
    distill={},
    folder=str(MADE),
    cache="",
    data_folder=None,
    seed=0,
    threads=1,
    precision="float32",
    teacher_outputs=(),
    workdir="",
    parent_pid=os.getpid(),
)


def from_node(node: dict[str, Any], device: str) -> object:
    return build_teacher(NODES.validate_python(node), folder=MADE, threads=1, device=device)


def in_the_loop(spec: JobSpec, device: str) -> object:
    return loop_teacher(spec, (), toy_task(), device=torch.device(device))


WAYS: dict[str, Callable[[str], object]] = {
    "a file": lambda device: onnx_teacher(FILE, digest="", threads=1, device=device),
    "a node": lambda device: from_node(ONE, device),
    "several": lambda device: from_node({"kind": "several", "of": (ONE, ONE)}, device),
    "a node in the loop": lambda device: in_the_loop(replace(SPEC, teacher=ONE), device),
    "a file in the loop": lambda device: in_the_loop(replace(SPEC, teacher_file=str(FILE)), device),
}


@pytest.mark.parametrize("way", WAYS)
def test_a_device_that_is_missing_is_an_error_and_no_cpu_in_its_place(way: str) -> None:
    if "CUDAExecutionProvider" in onnxruntime.get_available_providers():
        pytest.skip("this onnxruntime has CUDA")
    assert WAYS[way]("cpu") is not None
    with pytest.raises(RuntimeMissing, match="no CUDAExecutionProvider") as caught:
        WAYS[way]("cuda")
    assert caught.value.exit_code == 4
