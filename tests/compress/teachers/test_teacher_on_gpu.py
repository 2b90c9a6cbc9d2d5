"""Teachers on a CUDA device answer as on the CPU. `make gpu-check` runs what is marked."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch
from torch import Tensor, nn
from toy_task import Linear, linear_onnx, toy_task

from compress.distill.devices import check_device
from compress.errors import RuntimeMissing
from compress.recipe.nodes import OnnxTeacher
from compress.teachers.build import build_teacher
from compress.teachers.check import check_teacher
from compress.teachers.modules import module_teacher
from compress.teachers.outputs import plain_outputs

# Products of TensorFloat-32 keep ten bits; the check of a teacher allows as much.
CLOSE = {"rtol": 2e-3, "atol": 2e-3}
DEVICES = ["cpu", pytest.param("cuda", marks=pytest.mark.gpu)]


class Convolutional(nn.Module):
    """The linear teacher behind a convolution that smooths; right as often."""

    def __init__(self) -> None:
        super().__init__()
        self.smooth, self.linear = nn.Conv2d(1, 1, 3, padding=1, bias=False), Linear()
        with torch.no_grad():
            self.smooth.weight.fill_(1 / 9)

    def forward(self, images: Tensor) -> Tensor:
        scores: Tensor = self.linear(self.smooth(images))
        return scores


def _need(device: str) -> None:
    try:
        check_device("cuda" if device == "cuda" else "cpu")
    except RuntimeMissing as error:
        pytest.skip(str(error))


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("module", [Linear(), Convolutional()], ids=["linear", "convolution"])
def test_a_torch_teacher_answers_as_on_the_cpu(module: nn.Module, device: str) -> None:
    _need(device)
    task = toy_task()
    teacher = module_teacher(module.cpu(), name="t", digest="0" * 64)
    expected = plain_outputs(teacher, task, task.validation)
    assert teacher.module is not None
    teacher.module.to(device)
    found = plain_outputs(teacher, task, task.validation)
    assert {one.device.type for one in teacher.module.parameters()} == {device}
    np.testing.assert_allclose(found, expected, **CLOSE)
    assert (found.argmax(1) == expected.argmax(1)).mean() > 0.98
    assert check_teacher(teacher, task) > 0.9
    teacher.module.cpu()


@pytest.mark.parametrize("device", DEVICES)
def test_an_onnx_teacher_answers_there_or_says_that_onnxruntime_lacks_it(
    device: str, tmp_path: Path
) -> None:
    _need(device)
    linear_onnx(tmp_path / "t.onnx")
    task, node = toy_task(), OnnxTeacher(kind="onnx", path="t.onnx")
    here = build_teacher(node, folder=tmp_path, threads=1)
    if device == "cuda" and "CUDAExecutionProvider" not in onnxruntime.get_available_providers():
        with pytest.raises(RuntimeMissing, match="no CUDAExecutionProvider"):
            build_teacher(node, folder=tmp_path, threads=1, device=device)
        return
    there = build_teacher(node, folder=tmp_path, threads=1, device=device)
    expected = plain_outputs(here, task, task.validation)
    np.testing.assert_allclose(plain_outputs(there, task, task.validation), expected, **CLOSE)
    assert check_teacher(there, task) > 0.9
