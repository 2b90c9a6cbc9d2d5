"""Storing outputs takes the same memory however many there are."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

MEMORY = """
import sys
from pathlib import Path
import numpy as np
from compress.tasks.augment import Augmentation
from compress.tasks.data import Samples, Task
from compress.teachers.outputs import store_view
from compress.teachers.stored import Form, write_outputs
from compress.teachers.teacher import Teacher

folder, count, classes = Path(sys.argv[1]), int(sys.argv[2]), 200

def resident():
    for line in open("/proc/self/status"):
        if line.startswith("RssAnon"):
            return int(line.split()[1])

inputs = np.lib.format.open_memmap(folder / "x.npy", "w+", np.uint8, (count, 1, 32, 32))
del inputs
inputs = np.load(folder / "x.npy", mmap_mode="r")
samples = Samples(ids=np.arange(count), inputs=inputs, labels=np.zeros(count, np.int64))
task = Task(name="t", classes=tuple(map(str, range(classes))), input_name="images", scale=1 / 255,
            augmentation=Augmentation(pad_pixels=2, flip=True), fingerprint="0" * 64,
            train=samples, validation=samples, test=lambda: samples)
answer = lambda images: np.zeros((len(images), classes), np.float32)
teacher = Teacher(name="t", digest="0" * 64, answer=answer, module=None, onnx_path=None)
peaks = []
store_view(teacher, task, path=folder / "v", seed=0, view=0,
           on_event=lambda event: peaks.append(resident()))
print(max(peaks))

def scores(rows):
    peaks.append(resident())
    return np.tile(np.arange(classes, dtype=np.float32), (len(rows), 1))

for form in (Form(dtype="float16"), Form(k=20), Form(dtype="float16", k=20)):
    peaks = []
    write_outputs(folder / "v", np.arange(count).reshape(-1, 250), scores, samples=count,
                  classes=classes, form=form, about="")
    print(max(peaks))
"""


def test_memory_stays_constant_at_ten_times_the_samples(tmp_path: Path) -> None:
    """Of a view in float32, and of writing in the other forms. Ten times as much would be 73 MB
    more of inputs and outputs."""
    peaks = []
    for count in (4_000, 40_000):
        folder = tmp_path / str(count)
        folder.mkdir()
        command = [sys.executable, "-c", MEMORY, str(folder), str(count)]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        peaks.append([int(line) for line in done.stdout.split()])
    few, many = peaks
    assert len(many) == 4
    assert all(more / less <= 1.05 for less, more in zip(few, many, strict=True)), peaks
