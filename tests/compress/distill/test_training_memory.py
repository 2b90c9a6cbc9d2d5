"""A training whose samples and teacher's outputs are mapped holds as much at ten times as many."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

TRAINING = """
import sys
from pathlib import Path
import numpy as np
import torch
from compress.distill.devices import make_accelerator
from compress.distill.feed import TrainingFeed
from compress.distill.objective import build_objective
from compress.distill.settings import Settings
from compress.distill.trainer import train
from compress.recipe.loss_nodes import KdLoss
from compress.tasks.augment import Augmentation
from compress.tasks.data import Samples, Task
from compress.teachers.stored import Form, open_outputs, write_outputs

folder, count, classes = Path(sys.argv[1]), int(sys.argv[2]), 200

def resident():
    for line in open("/proc/self/status"):
        if line.startswith("RssAnon"):
            return int(line.split()[1])

def samples(first, count):
    path = folder / f"{first}.npy"
    np.lib.format.open_memmap(path, "w+", np.uint8, (count, 1, 32, 32))
    inputs = np.load(path, mmap_mode="r")
    return Samples(ids=np.arange(first, first + count), inputs=inputs,
                   labels=np.arange(count) % classes)

held = samples(10**6, 400)
task = Task(name="t", classes=tuple(map(str, range(classes))), input_name="images", scale=1 / 255,
            augmentation=Augmentation(pad_pixels=2, flip=True), fingerprint="0" * 64,
            train=samples(0, count), validation=held, test=lambda: held)
write_outputs(folder / "v", np.arange(count).reshape(-1, 250),
              lambda rows: np.tile(np.arange(classes, dtype=np.float32), (len(rows), 1)),
              samples=count, classes=classes, form=Form(), about="")
stored = open_outputs(folder / "v", samples=count, classes=classes)
student = torch.nn.Sequential(torch.nn.Conv2d(1, 4, 3, 4), torch.nn.BatchNorm2d(4),
                              torch.nn.Flatten(), torch.nn.Linear(4 * 8 * 8, classes))
settings = Settings(epochs=2, learning_rate=0.01, weight_decay=0.0, warmup=0.3, average=0.9,
                    clip=None, seed=0, checkpoint_every_s=0.5)
peaks, checkpoints = [], folder / "checkpoints"
checkpoints.mkdir()
train(student, feed=TrainingFeed(task=task, batch=125, seed=0, teacher_outputs=[stored]),
      objective=build_objective(KdLoss(kind="kd")), settings=settings,
      accelerator=make_accelerator("cpu", precision="float32"), checkpoints=checkpoints,
      on_event=lambda event: peaks.append(resident()))
print(max(peaks), len(peaks))
"""


def test_memory_stays_constant_at_ten_times_the_samples(tmp_path: Path) -> None:
    """Ten times as many would be 66 MB more of inputs and outputs."""
    peaks = []
    for count in (4_000, 40_000):
        folder = tmp_path / str(count)
        folder.mkdir()
        command = [sys.executable, "-c", TRAINING, str(folder), str(count)]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        peak, looks = map(int, done.stdout.split())
        assert looks >= count // 125 // 20
        peaks.append(peak)
    assert peaks[1] / peaks[0] <= 1.05, peaks
