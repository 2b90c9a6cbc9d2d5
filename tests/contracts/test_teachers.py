"""What every kind of teacher keeps: run over each of them."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import numpy_helper
from torch import nn

from compress.errors import InputError
from compress.recipe.nodes import (
    OnnxTeacher,
    OutputsTeacher,
    PythonTeacher,
    RunTeacher,
    TeacherNode,
    TorchTeacher,
    TransformersTeacher,
)
from compress.store.manifest import Facts, FileRecord, Manifest, Preprocessing, dump_manifest
from compress.tasks.data import Task
from compress.teachers.build import build_teacher, check_named, teacher_digest
from compress.teachers.check import check_teacher
from compress.teachers.outputs import plain_answers, plain_outputs, store_view, view_answers
from compress.teachers.stored import open_outputs
from compress.teachers.teacher import Teacher
from exporters.atomic import sha256_file
from exporters.weights import save_weights

TEACHERS = Path(__file__).parents[1] / "compress" / "teachers"
sys.path.insert(0, str(TEACHERS))
import toy  # noqa: E402
from toy_task import Linear, linear_onnx, toy_task  # noqa: E402

CODE = (
    "import numpy as np, torch\n"
    "from torch import nn\n"
    "class Net(nn.Module):\n"
    "    def __init__(self):\n"
    "        super().__init__()\n"
    "        self.head = nn.Linear(64, 3)\n"
    "        self.drop = nn.Dropout(0.5)\n"
    "    def forward(self, images):\n"
    "        return self.drop(self.head(images.flatten(1)))\n"
    "def net():\n"
    "    return Net()\n"
    "def loaded():\n"
    "    made = Net()\n"
    "    made.load_state_dict({'head.weight': torch.from_numpy(WEIGHTS), "
    "'head.bias': torch.zeros(3)})\n"
    "    return made.train()\n"
    "def answers(images):\n"
    "    scores = images.reshape(len(images), -1) @ WEIGHTS.T\n"
    "    return np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)\n"
    f"WEIGHTS = np.array({toy.weights().tolist()}, dtype=np.float32)\n"
)


def _torch(folder: Path) -> TeacherNode:
    (folder / "model.py").write_text(CODE)
    weights = {"head.weight": torch.from_numpy(toy.weights()), "head.bias": torch.zeros(3)}
    save_weights(folder / "teacher.safetensors", weights)
    return TorchTeacher(kind="torch", target="model.py:net", weights="teacher.safetensors")


def _factory(folder: Path) -> TeacherNode:
    (folder / "model.py").write_text(CODE)
    return PythonTeacher(kind="python", target="model.py:loaded")


def _function(folder: Path) -> TeacherNode:
    (folder / "model.py").write_text(CODE)
    return PythonTeacher(kind="python", target="model.py:answers", outputs="probabilities")


def _onnx(folder: Path) -> TeacherNode:
    linear_onnx(folder / "t.onnx")
    return OnnxTeacher(kind="onnx", path="t.onnx")


def _onnx_channels_last(folder: Path) -> TeacherNode:
    linear_onnx(folder / "t.onnx", shape=(8, 8, 1))
    return OnnxTeacher(kind="onnx", path="t.onnx")


def _sklearn(folder: Path) -> TeacherNode:
    (folder / "t.onnx").write_bytes((TEACHERS / "made" / "sklearn_mlp.onnx").read_bytes())
    return OnnxTeacher(kind="onnx", path="t.onnx", outputs="probabilities")


def _run(folder: Path) -> TeacherNode:
    (folder / "run").mkdir()
    linear_onnx(folder / "run" / "student.onnx")
    _write_manifest(folder / "run")
    return RunTeacher(kind="run", path="run")


def _write_manifest(place: Path) -> None:
    """As a run does that has written this student.onnx."""
    record = FileRecord(
        sha256=sha256_file(place / "student.onnx"),
        size_bytes=(place / "student.onnx").stat().st_size,
    )
    facts = Facts(
        name="before",
        created_at="2026-11-24T00:00:00+00:00",
        recipe_digest="0" * 64,
        teacher_digest=None,
        data_digest="0" * 64,
        versions={},
        seeds={"run": 0},
        classes=toy.CLASSES,
        preprocessing=Preprocessing(input_name="images", shape=(1, 8, 8), scale=1 / 255),
    )
    files = {"student.onnx": record}
    (place / "manifest.json").write_bytes(dump_manifest(Manifest(facts=facts, files=files)))


def _outputs(folder: Path) -> TeacherNode:
    task = toy_task()
    linear = Linear().eval()
    ids, logits = [], []
    for samples in (task.train, task.validation):
        with torch.no_grad():
            logits.append(linear(torch.from_numpy(task.prepare(samples.inputs))).numpy())
        ids.append(samples.ids)
    order = np.random.default_rng(0).permutation(sum(map(len, ids)))
    np.savez(folder / "outputs.npz", ids=np.concatenate(ids)[order],
             logits=np.concatenate(logits)[order])  # fmt: skip
    return OutputsTeacher(kind="outputs", path="outputs.npz")


def _transformers(folder: Path) -> TeacherNode:
    import transformers

    config = transformers.ViTConfig(
        image_size=8, patch_size=4, num_channels=1, hidden_size=16, num_hidden_layers=1,
        num_attention_heads=2, intermediate_size=16, hidden_dropout_prob=0.2,
        id2label=dict(enumerate(toy.CLASSES)),
    )  # fmt: skip
    torch.manual_seed(0)
    model = transformers.ViTForImageClassification(config)
    task = toy_task()
    inputs = (torch.from_numpy(task.prepare(task.train.inputs)) - 0.3) / 0.2
    labels = torch.from_numpy(task.train.labels)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    for _ in range(40):
        loss = nn.functional.cross_entropy(model(pixel_values=inputs).logits, labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    model.save_pretrained(folder / "vit")
    (folder / "vit" / "preprocessor_config.json").write_text(
        '{"do_rescale": true, "rescale_factor": 0.00392156862745098, "do_normalize": true, '
        '"image_mean": [0.3], "image_std": [0.2]}'
    )
    return TransformersTeacher(kind="transformers", path="vit")


def _alter(path: Path) -> None:
    """Other content, of the same form: other weights, answers or settings."""
    match path.suffix:
        case ".py":
            path.write_text(path.read_text() + "WEIGHTS = 2 * WEIGHTS\n")
        case ".json":
            path.write_text(json.dumps({**json.loads(path.read_text()), "image_std": [0.5]}))
        case ".npz":
            with np.load(path) as stored:
                np.savez(path, ids=stored["ids"], logits=2 * stored["logits"])
        case ".safetensors":
            *kept, last = path.read_bytes()
            path.write_bytes(bytes([*kept, last ^ 1]))
        case ".onnx":
            model = onnx.load(path)
            first = next(one for one in model.graph.initializer if one.data_type == 1)
            first.CopyFrom(numpy_helper.from_array(2 * numpy_helper.to_array(first), first.name))
            onnx.save(model, path)
        case other:
            raise AssertionError(other)


@dataclass(frozen=True)
class Kind:
    make: Callable[[Path], TeacherNode]
    content: tuple[str, ...]  # the files that decide its answers


KINDS = {
    "torch": Kind(_torch, ("model.py", "teacher.safetensors")),
    "transformers": Kind(
        _transformers,
        ("vit/config.json", "vit/model.safetensors", "vit/preprocessor_config.json"),
    ),
    "onnx": Kind(_onnx, ("t.onnx",)),
    "onnx, channels last": Kind(_onnx_channels_last, ("t.onnx",)),
    "onnx, scikit-learn": Kind(_sklearn, ("t.onnx",)),
    "run": Kind(_run, ("run/student.onnx",)),
    "outputs": Kind(_outputs, ("outputs.npz",)),
    "python, a factory": Kind(_factory, ("model.py",)),
    "python, a function": Kind(_function, ("model.py",)),
}


@dataclass(frozen=True)
class Made:
    kind: Kind
    node: TeacherNode
    folder: Path
    teacher: Teacher
    task: Task


@pytest.fixture(scope="module", params=KINDS, ids=list(KINDS))
def made(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Made:
    folder = tmp_path_factory.mktemp("teacher")
    kind = KINDS[request.param]
    node = kind.make(folder)
    check_named(node, folder=folder)
    teacher = build_teacher(node, folder=folder, threads=1, classes=len(toy.CLASSES))
    return Made(kind, node, folder, teacher, toy_task())


def test_it_is_checked_against_the_task_and_right(made: Made) -> None:
    assert check_teacher(made.teacher, made.task) > 0.8


def test_the_same_samples_have_the_same_outputs_in_any_order_and_batch(made: Made) -> None:
    validation = made.task.validation
    all_rows = np.arange(len(validation))
    expected = plain_answers(made.teacher, made.task, validation, all_rows)
    shuffled = np.random.default_rng(1).permutation(len(validation))
    for size in (1, 7, len(validation)):
        for start in range(0, len(validation), size):
            rows = shuffled[start : start + size]
            found = plain_answers(made.teacher, made.task, validation, rows)
            np.testing.assert_allclose(found, expected[rows], rtol=1e-4, atol=1e-4)


def test_a_stored_view_holds_its_very_answers(made: Made, tmp_path: Path) -> None:
    path = tmp_path / "view"
    store_view(made.teacher, made.task, path=path, seed=3, view=1)
    stored = open_outputs(path, samples=len(made.task.train), classes=3)
    rows = np.array([299, 0, 17])
    expected = view_answers(made.teacher, made.task, rows, seed=3, view=1)
    np.testing.assert_allclose(stored[rows], expected, rtol=1e-5, atol=1e-5)


def test_its_digest_is_that_of_its_content_in_any_folder(made: Made, tmp_path: Path) -> None:
    before = teacher_digest(made.node, folder=made.folder)
    assert before == made.teacher.digest
    assert len(before) == 64
    found = {before}
    for name in made.kind.content:
        folder = tmp_path / name.replace("/", " ")
        shutil.copytree(made.folder, folder)
        assert teacher_digest(made.node, folder=folder) == before
        _alter(folder / name)
        if isinstance(made.node, RunTeacher):
            _write_manifest(folder / "run")
        found.add(teacher_digest(made.node, folder=folder))
    assert len(found) == 1 + len(made.kind.content)


def test_it_stays_in_eval_mode_without_gradients(made: Made) -> None:
    rows = np.arange(20)
    before = plain_answers(made.teacher, made.task, made.task.validation, rows)
    if made.teacher.module is not None:
        assert not any(weight.requires_grad for weight in made.teacher.module.parameters())
        made.teacher.module.train()
    again = plain_answers(made.teacher, made.task, made.task.validation, rows)
    np.testing.assert_array_equal(again, before)


def test_outputs_of_the_whole_split_are_those_of_its_batches(made: Made) -> None:
    whole = plain_outputs(made.teacher, made.task, made.task.validation)
    assert whole.dtype == np.float32
    assert whole.shape == (60, 3)
    assert np.isfinite(whole).all()


def test_a_student_that_is_not_the_one_the_run_wrote_is_no_teacher(tmp_path: Path) -> None:
    node = _run(tmp_path)
    path = tmp_path / "run" / "student.onnx"
    path.write_bytes(path.read_bytes() + b"\0")
    with pytest.raises(InputError, match=r"student\.onnx is not the file that the run wrote"):
        check_named(node, folder=tmp_path)
