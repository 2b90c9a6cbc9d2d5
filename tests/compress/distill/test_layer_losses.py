"""Losses on inner layers train through taps and adapters, which the exported student never has."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import onnx
import pytest
import torch
from small_training import bars_task, bits, fit, net

from compress.distill.adapters import make_adapter
from compress.distill.taps import Taps
from compress.distill.teaching import OnlineTeacher, online
from compress.errors import InputError, Interrupted
from compress.recipe.loss_needs import Tap
from compress.tasks.data import Task
from compress.teachers.teacher import Teacher
from exporters.export import export

MAPS = [{"student": "second", "teacher": "second"}]
TOKENS = [{"student": "tokens", "teacher": "tokens"}]
METHODS: dict[str, dict[str, Any]] = {
    "hint": {"kind": "hint", "layers": MAPS, "weight": 1.0},
    "attention": {"kind": "attention", "layers": MAPS, "weight": 100.0},
    "pkt": {"kind": "pkt", "layers": MAPS, "weight": 1000.0},
    "rkd": {"kind": "rkd", "layers": MAPS},
    "embedding": {"kind": "embedding", "layers": TOKENS, "form": "cosine"},
    "relations": {"kind": "relations", "layers": TOKENS, "heads": 4},
    "distilbert": {"kind": "distilbert", "layers": TOKENS},
}


@pytest.fixture(scope="module")
def task() -> Task:
    return bars_task()


def summed(kind: str) -> dict[str, Any]:
    """Beside the labels, as a recipe would use it."""
    return {"kind": "sum", "terms": [{"loss": "labels"}, {"loss": METHODS[kind], "warmup": 0.1}]}


@pytest.mark.parametrize("kind", METHODS)
def test_a_method_trains_and_leaves_only_the_student_behind(task: Task, kind: str) -> None:
    student, teacher = net(4), net(8, seed=1)
    own, theirs = set(student.state_dict()), bits(teacher)
    outcome = fit(student, task, loss=METHODS[kind], teacher=teacher, epochs=4)
    assert outcome.epochs[-1].train_loss < outcome.epochs[0].train_loss
    assert set(outcome.module.state_dict()) == own
    assert bits(teacher) == theirs
    assert not any(module._forward_hooks for module in outcome.module.modules())
    assert not any(module._forward_hooks for module in teacher.modules())


def test_the_exported_file_holds_the_weights_of_the_student_alone(
    task: Task, tmp_path: Path
) -> None:
    student = net(4)
    outcome = fit(student, task, loss=METHODS["hint"], teacher=net(8, seed=1), epochs=1)
    artifact = export(outcome.module, torch.zeros(2, 1, 8, 8), path=tmp_path / "student.onnx")
    stored = onnx.load(artifact.path).graph.initializer
    weights = sum(p.numel() for p in student.parameters())
    floats = [tensor for tensor in stored if tensor.data_type == onnx.TensorProto.FLOAT]
    assert sum(torch.Size(tensor.dims).numel() for tensor in floats) == weights


@pytest.mark.parametrize("kind", ["hint", "relations"])
def test_a_resumed_training_with_adapters_equals_the_unbroken_one(
    task: Task, tmp_path: Path, kind: str
) -> None:
    teacher, loss = net(8, seed=1), summed(kind)
    unbroken = fit(net(4), task, loss=loss, teacher=teacher)
    with pytest.raises(Interrupted):
        fit(net(4), task, loss=loss, teacher=teacher, checkpoints=tmp_path, stop_after=7)
    resumed = fit(net(4), task, loss=loss, teacher=teacher, checkpoints=tmp_path)
    assert resumed.resumed_from_steps == (7,)
    assert bits(resumed.module) == bits(unbroken.module)


def test_an_adapter_learns_beside_the_student(task: Task) -> None:
    """The teacher's features are reached only through a projection that moves."""
    teacher = net(8, seed=1)
    long = fit(net(4), task, loss=METHODS["hint"], teacher=teacher, epochs=12)
    assert long.epochs[-1].train_loss < 0.5 * long.epochs[0].train_loss


def test_a_batch_of_one_keeps_its_axis_and_a_tuple_gives_its_first_element() -> None:
    class Pair(torch.nn.Module):
        def forward(self, inputs: torch.Tensor) -> tuple[torch.Tensor, None]:
            return inputs + 1, None

    network = torch.nn.Sequential(torch.nn.Linear(3, 2), Pair())
    taps = Taps(network, ("0", "1"), side="student")
    network(torch.zeros(1, 3))
    seen = taps.read()
    assert seen["0"].shape == seen["1"].shape == (1, 2)
    with pytest.raises(InputError, match="gave no tensor"):
        taps.read()
    taps.close()
    assert not any(module._forward_hooks for module in network.modules())


def test_an_unknown_layer_is_named_with_the_nearest() -> None:
    with pytest.raises(InputError, match=r"no module `secnd`; did you mean second"):
        Taps(net(), ("secnd",), side="student")


def test_features_of_other_ranks_have_no_adapter() -> None:
    tap = Tap(student="a", teacher="b", adapted=True)
    with pytest.raises(InputError, match="same kind on both sides"):
        make_adapter(tap, torch.zeros(2, 3, 4, 4), torch.zeros(2, 3), seed=0)
    widths = make_adapter(tap, torch.zeros(2, 3, 4, 4), torch.zeros(2, 5, 8, 8), seed=0)
    assert widths(torch.zeros(1, 3, 4, 4)).shape == (1, 5, 4, 4)


def test_a_teacher_in_the_loop_stays_in_eval_mode_and_gets_no_gradient() -> None:
    teacher = net(4, norm=True)
    before = bits(teacher)
    asked = OnlineTeacher(network=teacher)
    teacher.train()
    taught = asked((torch.randn(4, 1, 8, 8),))
    assert not teacher.training
    assert not taught.scores.requires_grad
    assert bits(teacher) == before


def test_a_teacher_that_shows_no_layers_is_refused_for_a_loss_on_layers() -> None:
    def answer(*inputs: torch.Tensor) -> Any:
        return inputs[0].mean((2, 3)).repeat(1, 3).numpy()

    box = Teacher(name="box", digest="", answer=answer, module=None, onnx_path=None)
    tap = Tap(student="second", teacher="second", adapted=True)
    with pytest.raises(InputError, match="shows none"):
        online(box, taps=(tap,), device=torch.device("cpu"))
    taught = online(box, taps=(), device=torch.device("cpu"))((torch.ones(2, 1, 8, 8),))
    assert taught.scores.tolist() == [[1.0, 1.0, 1.0]] * 2
