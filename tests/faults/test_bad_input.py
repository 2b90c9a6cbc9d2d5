"""What a user gets wrong: exit 2, one line with the place, and the earlier good run untouched."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch
from fault_commands import Server
from finished_run import Good

from exporters.weights import save_weights

ODD = """
import numpy as np
import torch
from torch import nn
import project

class Linear(nn.Module):
    def __init__(self, outputs):
        super().__init__()
        self.head = nn.Linear(256, outputs)
    def forward(self, images):
        return self.head(images.flatten(1))

class Stubborn(Linear):
    def forward(self, images):
        scores = super().forward(images)
        return scores + 1 if scores.sum().item() > 0 else scores

def number(): return 3
def five(): return Linear(5)
def stubborn(): return Stubborn(3)
def fails(): raise KeyError("no\\nsuch key")
def leaves(): raise SystemExit(0)
def untrained():
    torch.manual_seed(1)
    return Linear(3)

def labelled(label):
    found = project.data()
    found.train[1][7] = label
    return found
def high(): return labelled(3)
def low(): return labelled(-1)
"""
STUDENT, TEACHER, DATA = "student.target=", "teacher.target=", "task.target="
WEIGHTS, BLACK_BOX = "teacher.weights=", "teacher={kind: onnx, path: %s}"
PLAIN = "teacher={kind: python, target: odd.py:%s}"


@pytest.fixture(scope="module", autouse=True)
def bad_files(good: Good) -> None:
    """Beside the recipe: code that fails, and files that are not what they are called."""
    folder = good.project
    (folder / "odd.py").write_text(ODD)
    (folder / "broken.py").write_text("x = 1\ndef f(:\n")
    (folder / "raises.py").write_text("import json\nraise RuntimeError('not today')\n")
    weights = (folder / "teacher.safetensors").read_bytes()
    (folder / "cut.safetensors").write_bytes(weights[: len(weights) // 2])
    torch.save({"w": torch.zeros(2)}, folder / "pickle.safetensors")
    save_weights(folder / "other.safetensors", {"w": torch.zeros(2)})
    page = b"<!DOCTYPE html><html><body>404</body></html>"
    for ending in ("onnx", "safetensors"):
        (folder / f"empty.{ending}").write_bytes(b"")
        (folder / f"page.{ending}").write_bytes(page)
    model = (good.out / "student.onnx").read_bytes()
    (folder / "cut.onnx").write_bytes(model[: len(model) // 2])


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("distill.epoch=3", "distill.epoch: unknown key 'epoch'; did you mean 'epochs'?"),
        ("distill.epochs=many", "distill.epochs: should be a whole number"),
        ("budgets=[{id: size, metric: file_bytes, max: 60}]", "has no unit"),
        ("budgets=[{id: size, metric: file_bytes, max: 60ms}]", "the unit 'ms' does not fit"),
        (f"{WEIGHTS}none.safetensors", "teacher.weights: there is no file"),
        (f"{WEIGHTS}empty.safetensors", "empty.safetensors: is an empty file"),
        (f"{WEIGHTS}cut.safetensors", "cut.safetensors: is truncated"),
        (f"{WEIGHTS}page.safetensors", "page.safetensors: is an HTML page"),
        (f"{WEIGHTS}pickle.safetensors", "`distil convert "),
        (f"{WEIGHTS}other.safetensors", "other.safetensors: don't fit Net: 14 missing"),
        (BLACK_BOX % "none.onnx", "teacher.path: there is no file"),
        (BLACK_BOX % "empty.onnx", "empty.onnx: empty file"),
        (BLACK_BOX % "cut.onnx", "cut.onnx: "),
        (BLACK_BOX % "page.onnx", "page.onnx: an HTML page"),
        (PLAIN % "five", "outputs of shape (5,) per sample, the task has 3 classes"),
        (PLAIN % "untrained", "no better than naming the largest class"),
        (PLAIN % "fails", "odd.py:22: KeyError"),
        (f"{TEACHER}raises.py:f", "raises.py:2: RuntimeError: not today"),
        (f"{TEACHER}broken.py:f", "broken.py:2: SyntaxError"),
        (f"{STUDENT}odd.py:numbre", "has no 'numbre' (target odd.py:numbre); did you mean 'num"),
        (f"{STUDENT}odd.py:number", "returned int, not a torch.nn.Module"),
        (f"{STUDENT}odd.py:five", "output of shape (2, 5) for 2 samples, and the task has 3"),
        (f"{STUDENT}odd.py:leaves", "odd.py:23: SystemExit: 0"),
        (f"{DATA}odd.py:high", "odd.py:high: train: 1 labels are out of range: sample 7 has 3"),
        (f"{DATA}odd.py:low", "label -1 of sample 7 is negative"),
        (f"{DATA}odd.py:number", "odd.py:number: returned int; return compress.tasks.ArrayData"),
    ],
)
def test_bad_input_is_one_line_and_keeps_the_earlier_run(
    good: Good, server: Server, override: str, said: str
) -> None:
    before, jobs = good.digests(), _jobs(good)
    ended = server.run(*good.arguments("--set", override), cwd=good.cwd)
    ended.assert_error(2, said)
    assert good.digests() == before
    assert _jobs(good) == jobs, "a training began"


def test_a_student_without_an_onnx_form_costs_no_training(good: Good, server: Server) -> None:
    before, jobs = good.digests(), _jobs(good)
    ended = server.run(*good.arguments("--set", f"{STUDENT}odd.py:stubborn"), cwd=good.cwd)
    ended.assert_error(4, "Stubborn: can't be captured")
    assert good.digests() == before
    assert _jobs(good) == jobs


@pytest.mark.parametrize(
    ("place", "said"),
    [
        ("file", "is a file, not a folder; name another folder with --out"),
        ("file/below", "can't be made: Not a directory"),
        ("/proc/run", "/proc/run: can't be made"),
        ("/sys", "/sys: can't be written"),
    ],
)
def test_an_unusable_output_folder_is_told_at_once(
    good: Good, server: Server, tmp_path: Path, place: str, said: str
) -> None:
    (tmp_path / "file").write_text("precious")
    ended = server.run(*good.arguments(out=Path(place)), cwd=tmp_path)
    ended.assert_error(2, said)
    assert (tmp_path / "file").read_text() == "precious"


def test_after_all_that_the_same_run_is_all_hits_and_the_same_bytes(
    good: Good, server: Server, tmp_path: Path
) -> None:
    shutil.copytree(good.out, tmp_path / "again")
    ended = server.run(*good.arguments(out=tmp_path / "again"), cwd=good.cwd)
    assert (ended.code, ended.err) == (0, [])
    ours, theirs = good.digests(tmp_path / "again"), good.digests()
    for name in ("student.onnx", "student.safetensors", "predictions.npz"):
        assert ours[name] == theirs[name]


def _jobs(good: Good) -> set[str]:
    """The training jobs that were ever specified in the work folders of the cache."""
    return {str(path) for path in (good.cache / "work").glob("*/spec.json")}
