"""`project: pca`: the axes of a wider teacher, from stored outputs or asked for."""

from __future__ import annotations

import pytest
import torch
from small_embedding import embedding_task
from torch import nn

from compress.distill.axes import principal, teacher_axes
from compress.distill.objective import build_objective
from compress.distill.teaching import OnlineTeacher
from compress.errors import InputError
from compress.recipe.loss_nodes import EmbeddingLoss

PCA = EmbeddingLoss(kind="embedding", form="mse", project="pca")


def test_a_teacher_of_low_rank_loses_nothing_of_its_dot_products() -> None:
    torch.manual_seed(0)
    embeddings = torch.randn(200, 3) @ torch.randn(3, 10)
    axes = principal(embeddings, 3)
    assert axes is not None
    assert axes.shape == (10, 3)
    torch.testing.assert_close(axes.T @ axes, torch.eye(3), atol=1e-5, rtol=0)
    narrow = embeddings @ axes
    torch.testing.assert_close(narrow @ narrow.T, embeddings @ embeddings.T, atol=1e-3, rtol=1e-4)


def test_equal_widths_need_no_axes_and_a_wider_student_is_refused() -> None:
    embeddings = torch.randn(20, 4)
    assert principal(embeddings, 4) is None
    with pytest.raises(InputError, match="PCA only narrows"):
        principal(embeddings, 5)


def test_stored_and_asked_outputs_give_the_same_axes() -> None:
    torch.manual_seed(0)
    task, student, teacher = embedding_task(), nn.Linear(6, 2), nn.Linear(6, 5, bias=False)
    with torch.no_grad():
        stored = teacher(torch.from_numpy(task.train.inputs)).numpy()
    asked = teacher_axes(student, task, teacher=OnlineTeacher(network=teacher))
    read = teacher_axes(student, task, outputs=[stored])
    assert asked is not None
    assert read is not None
    torch.testing.assert_close(asked, read)


def test_the_loss_is_zero_at_the_projected_teacher_and_refuses_unequal_widths_without() -> None:
    torch.manual_seed(0)
    teacher, target = torch.randn(16, 5), torch.full((16,), -100)
    axes = principal(teacher, 2)
    assert axes is not None
    student = (teacher @ axes).requires_grad_()
    loss = build_objective(PCA, axes=axes)(student, target, teacher)
    assert float(loss.detach()) == pytest.approx(0.0, abs=1e-12)
    with pytest.raises(InputError, match="project: pca"):
        build_objective(EmbeddingLoss(kind="embedding"))(student, target, teacher)
