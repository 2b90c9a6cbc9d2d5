"""A task whose samples are 20 recordings, two models of it, and what a gate finds of them."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
from onnx import TensorProto, helper, numpy_helper, save

from compress.gate.gate_file import load_gate
from compress.gate.result import run_gate
from compress.pipeline.gate_child import Asked, _measure
from compress.report.baseline_file import find_baseline
from compress.report.serialise import load_report
from compress.values import Verdict

PROJECT = """\
import numpy as np
from compress.tasks import ArrayData


def _split(count, seed):
    random = np.random.default_rng(seed)
    labels = np.arange(count) % 3
    images = random.integers(10, 30, (count, 1, 4, 4))
    images[np.arange(count), 0, labels] += 70
    return images.astype(np.uint8), labels


def data():
    images, labels = _split(600, 3)
    at = np.arange(600)
    images[at // 30 == 5, 0, 3] = 255  # what the student stumbles over is one recording
    return ArrayData(
        train=_split(60, 1),
        validation=_split(60, 2),
        test=(images, labels),
        classes=("top", "middle", "low"),
        test_columns={"site": np.where(at // 30 == 5, "isle", "coast")},
        test_groups=at // 30,
    )
"""
RECIPE = """\
schema: 1
name: rows
task: {kind: python, target: "project.py:data"}
student: {kind: python, target: "project.py:student"}
distill: {loss: {kind: labels}, epochs: 1}
"""
HEAD = "schema: 1\ncandidate: student.onnx\nteacher: {onnx: teacher.onnx}\n"
BY_TASK = HEAD + "feeds: {task: recipe.yaml}\nbudgets:\n"
BY_FILE = HEAD + "feeds: {predictions: answers.npz}\nbudgets:\n"
METRICS = """\
  - {id: f1, metric: macro_f1, vs: teacher, max_drop: 12pp}
  - {id: worst, metric: worst_class_accuracy, min: 70%}
  - {id: loss, metric: nll, vs: teacher, max_ratio: 1.01x}
  - {id: brier, metric: brier, max: 0.3}
"""
WORDS = {"f1": "pass", "worst": "pass", "loss": "violated", "brier": "pass"}
ACCURACY = "  - {id: accuracy, metric: accuracy, vs: teacher, max_drop: 6pp}\n"


def save_rows(path: Path, *, pixels: int, stumbles: bool = False) -> None:
    """An ONNX file that answers the brighter of the first three rows of an image, by the mean of
    its first pixels; with `stumbles` a bright fourth row means the first class."""
    weight = np.zeros((4, 4, 3), dtype=np.float32)
    for row in range(3):
        weight[row, :pixels, row] = 20.0 / pixels
    weight[3, :, 0] = 2.5 * stumbles
    value = helper.make_tensor_value_info
    graph = helper.make_graph(
        [
            helper.make_node("Flatten", ["images"], ["flat"]),
            helper.make_node("MatMul", ["flat", "weight"], ["scores"]),
        ],
        "rows",
        [value("images", TensorProto.FLOAT, ["n", 1, 4, 4])],
        [value("scores", TensorProto.FLOAT, ["n", 3])],
        [numpy_helper.from_array(weight.reshape(16, 3), "weight")],
    )
    save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10), path)


def write_project(folder: Path) -> Path:
    """The student errs on 20 samples of one of the recordings."""
    (folder / "recipe.yaml").write_text(RECIPE)
    (folder / "project.py").write_text(PROJECT)
    save_rows(folder / "teacher.onnx", pixels=4)
    save_rows(folder / "student.onnx", pixels=4, stumbles=True)
    return folder


def judged(folder: Path, text: str) -> dict[str, Verdict]:
    """What `distil gate --measure` finds, in this process."""
    path = folder / "distil.gate.yaml"
    path.write_text(text)
    _measure(Asked(file=str(path), cache=str(folder / "cache")), lambda event: None)
    found = run_gate(
        load_gate(path),
        load_report=lambda source, samples: load_report(source, samples=samples),
        today=date(2026, 11, 24),
        find_baseline=find_baseline,
    )
    return {verdict.budget: verdict for verdict in found.verdicts}


def kept(folder: Path) -> Any:
    """The report that measuring keeps."""
    return json.loads((folder / ".distil" / "gate" / "distil.gate" / "report.json").read_text())


def sliced(kind: str, drop: str = "3pp") -> str:
    """A budget per slice."""
    return (
        f"  - {{id: {kind}, metric: accuracy, vs: teacher, per_slice: {kind}, max_drop: {drop}}}\n"
    )
