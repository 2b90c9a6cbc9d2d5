"""Four training steps of the Fashion-MNIST student at batch 128, with augmentation."""

import importlib.util
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from accelerate import Accelerator
from pytest_benchmark.fixture import BenchmarkFixture

from compress.distill.feed import TrainingFeed
from compress.distill.objective import build_objective
from compress.distill.trainer import Settings, train
from compress.recipe.nodes import KdLoss, LabelsLoss, LossNode, PythonTask
from compress.tasks.build import build_task

MODEL = Path(__file__).parents[2] / "examples" / "fashion" / "model.py"
STEPS, BATCH = 4, 128
DATA = f"""
import numpy as np
from compress.tasks import ArrayData

def data():
    rng = np.random.default_rng(0)
    def part(n):
        images = rng.integers(0, 256, (n, 1, 28, 28), dtype=np.uint8)
        return images, np.arange(n, dtype=np.int64) % 10
    return ArrayData(train=part({STEPS * BATCH}), validation=part(20), test=part(20),
                     classes=tuple("0123456789"))
"""
SETTINGS = Settings(
    epochs=1,
    learning_rate=0.05,
    weight_decay=5e-4,
    warmup=0.3,
    average=0.99,
    clip=None,
    seed=0,
    checkpoint_every_s=60.0,
)


def _student() -> torch.nn.Module:
    spec = importlib.util.spec_from_file_location("fashion_model", MODEL)
    assert spec is not None
    assert spec.loader is not None
    module: Any = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    student: torch.nn.Module = module.student()
    return student


@pytest.mark.parametrize(
    "loss", [LabelsLoss(kind="labels"), KdLoss(kind="kd")], ids=["labels", "kd"]
)
def test_four_steps(benchmark: BenchmarkFixture, tmp_path: Path, loss: LossNode) -> None:
    (tmp_path / "data.py").write_text(DATA)
    node = PythonTask.model_validate(
        {"kind": "python", "target": "data.py:data", "augment": {"crop": 2, "flip": True}}
    )
    task = build_task(node, folder=tmp_path, seed=0, cache=tmp_path / "cache")
    outputs = [np.zeros((STEPS * BATCH, 10), dtype=np.float16)] if loss.kind == "kd" else None
    feed = TrainingFeed(task=task, batch=BATCH, seed=0, teacher_outputs=outputs)
    accelerator = Accelerator(cpu=True)

    def steps() -> None:
        train(
            _student(),
            feed=feed,
            objective=build_objective(loss),
            settings=SETTINGS,
            accelerator=accelerator,
        )

    benchmark.pedantic(steps, rounds=3, warmup_rounds=1)
