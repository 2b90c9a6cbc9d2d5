"""Trainings and their teachers on a CUDA device. `make gpu-check` runs what is marked; the same
tests on the CPU say that they would notice."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import pytest
import torch
from accelerate.state import AcceleratorState
from small_embedding import embedding_task
from small_jobs import FOLDER, history, spec
from small_training import bars_task, net
from torch import nn

from compress import distill
from compress.distill.devices import check_device, make_accelerator
from compress.distill.evaluate import validate
from compress.distill.job import student_of
from compress.distill.launch import JOB, _environment, launch
from compress.errors import RuntimeMissing
from compress.recipe.nodes import PythonTask
from compress.tasks.build import build_task
from exporters.weights import load_weights

Device = Literal["cpu", "cuda"]
Need = Callable[[Device], None]
CUDA = pytest.mark.gpu
PRECISIONS = [
    pytest.param("cuda", precision, marks=CUDA) for precision in ("float32", "bfloat16", "float16")
]
DEVICES = ["cpu", pytest.param("cuda", marks=CUDA)]
ALONE = """
import json, sys
import torch
from compress.distill.agreement import agree, as_main
from compress.distill.devices import make_accelerator

path = sys.argv[1]
accelerator = make_accelerator(json.load(open(path)), precision="float32")
ones = torch.ones(3, device=accelerator.device)
torch.distributed.all_reduce(ones)
said = {
    "backend": torch.distributed.get_backend(),
    "processes": torch.distributed.get_world_size(),
    "sum": ones.cpu().tolist(),
    "agreed": agree(accelerator, loss=0.5, stop=False).loss,
    "main": as_main(accelerator, (0.25, 2.0)),
}
json.dump(said, open(path, "w"))
accelerator.end_training()
"""


@pytest.fixture
def need() -> Iterator[Need]:
    """need("cuda") skips with what this machine lacks. Afterwards no device is held to."""

    def check(device: Device) -> None:
        try:
            check_device(device)
        except RuntimeMissing as error:
            pytest.skip(str(error))

    yield check
    AcceleratorState._reset_state(reset_partial_state=True)


def _devices(module: nn.Module) -> set[tuple[str, torch.dtype]]:
    found = (*module.parameters(), *module.buffers())
    return {(one.device.type, one.dtype) for one in found if one.is_floating_point()}


@pytest.mark.parametrize(
    ("device", "precision"),
    [pytest.param("cpu", "float32", marks=pytest.mark.slow), *PRECISIONS],
)
def test_a_job_learns_in_a_precision_and_leaves_weights_of_float32(
    device: Device, precision: str, need: Need, tmp_path: Path
) -> None:
    need(device)
    job = replace(spec(tmp_path, device=device, epochs=8), precision=precision)
    launch(job)
    found = history(tmp_path)
    assert (found["precision"], found["processes"]) == (precision, 1)
    accuracies = [epoch["validation_accuracy"] for epoch in found["epochs"]]
    assert accuracies[-1] > 0.7  # of three classes
    weights = load_weights(tmp_path / "weights.safetensors")
    assert {one.dtype for one in weights.values() if one.is_floating_point()} == {torch.float32}
    assert all(torch.isfinite(one).all() for one in weights.values())
    node = PythonTask(kind="python", target="project.py:data")
    task = build_task(node, folder=FOLDER, seed=0, cache=tmp_path / "cache")
    module = student_of(job, task)
    module.load_state_dict(weights)
    again, _ = validate(module.eval(), task, device=torch.device("cpu"))
    assert again == pytest.approx(accuracies[-1], abs=0.02)


@pytest.mark.parametrize(("device", "precision"), [("cpu", "float32"), *PRECISIONS])
def test_a_student_in_memory_learns_from_a_teacher_there_and_comes_back_to_the_cpu(
    device: Device, precision: str, need: Need
) -> None:
    need(device)
    task = bars_task()
    settings: dict[str, Any] = {
        "batch": 32, "optimizer": "adamw", "learning_rate": 0.02, "average": 0.9, "epochs": 10
    }  # fmt: skip
    teacher = distill(
        None, net(8, norm=True), data=task, loss="labels", settings=settings
    ).module  # on the CPU in float32, in the same process
    assert validate(teacher, task, device=torch.device("cpu"))[0] > 0.9
    student = net(8, seed=3, norm=True)
    layers = [{"student": "second", "teacher": "second"}]
    terms = [{"loss": "kd"}, {"loss": {"kind": "hint", "layers": layers, "weight": 0.1}}]
    asked = settings | {"device": device, "precision": precision}
    trained = distill(
        teacher, student, data=task, loss={"kind": "sum", "terms": terms}, settings=asked
    )
    assert _devices(trained.module) == {("cpu", torch.float32)}
    assert _devices(teacher) == _devices(student) == {("cpu", torch.float32)}
    first, last = trained.epochs[0], trained.epochs[-1]
    assert last.train_loss < 0.8 * first.train_loss
    here, _ = validate(trained.module, task, device=torch.device("cpu"))
    assert here > 0.9
    assert here == pytest.approx(last.validation_accuracy, abs=0.05)
    assert AcceleratorState().device.type == device


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("project", ["pca", "learned"])
def test_embeddings_are_projected_where_the_teacher_is(
    project: str, device: Device, need: Need
) -> None:
    need(device)
    torch.manual_seed(0)
    teacher, student = nn.Linear(6, 5, bias=False), nn.Linear(6, 2, bias=False)
    settings = {"optimizer": "adamw", "learning_rate": 0.03, "epochs": 6, "batch": 50}
    trained = distill(
        teacher, student, data=embedding_task(), settings=settings | {"device": device},
        loss={"kind": "embedding", "form": "mse", "project": project},
    )  # fmt: skip
    assert trained.epochs[-1].train_loss < 0.8 * trained.epochs[0].train_loss
    assert _devices(trained.module) == {("cpu", torch.float32)}


def test_a_process_trains_in_one_precision_after_another(need: Need) -> None:
    """Accelerate itself refuses a second one."""
    for precision, mixed in (("float32", "no"), ("bfloat16", "bf16"), ("float32", "no")):
        held = make_accelerator("cpu", precision=precision)
        assert (held.mixed_precision, held.device.type) == (mixed, "cpu")


@pytest.mark.parametrize(
    ("device", "backend"),
    [
        pytest.param("cpu", "gloo", marks=pytest.mark.slow),  # torch's launcher
        pytest.param("cuda", "nccl", marks=CUDA),
    ],
)
def test_one_process_by_the_launcher_meets_itself(
    device: Device, backend: str, need: Need, tmp_path: Path
) -> None:
    """As several would, by the backend of their device."""
    need(device)
    if backend == "nccl" and not torch.distributed.is_nccl_available():
        pytest.skip(f"torch {torch.__version__} is built without NCCL")
    script, said = tmp_path / "alone.py", tmp_path / "said.json"
    script.write_text(ALONE)
    said.write_text(json.dumps(device))
    spawn = str(JOB.with_name("spawn.py"))
    done = subprocess.run(
        [sys.executable, "-P", spawn, str(os.getpid()), "1", str(script), str(said)],
        env=_environment(cpu=device == "cpu") | {"OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    found = json.loads(said.read_text())
    assert found == {
        "backend": backend,
        "processes": 1,
        "sum": [1.0, 1.0, 1.0],
        "agreed": 0.5,
        "main": [0.25, 2.0],
    }
