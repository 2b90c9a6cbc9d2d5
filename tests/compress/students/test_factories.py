"""Families of students: their answers, what they refuse, and what they cost."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer, models

from compress.errors import InputError
from compress.recipe.student_nodes import FactoryStudent
from compress.search.shapes import operators_of
from compress.students.build import build_student, student_code
from compress.students.check import checked_student
from compress.students.counts import count_macs, count_parameters
from compress.students.factories.make import families_for
from compress.tasks.augment import Augmentation
from compress.tasks.data import Samples, Task
from compress.tasks.views import as_inputs
from exporters.export import export
from exporters.run import run_batches
from exporters.session import open_session

HERE = Path(__file__).parent


def task_of(
    inputs: np.ndarray, *, padding: int | None = None, tokenizer: str | None = None
) -> Task:
    samples = Samples(ids=np.arange(len(inputs)), inputs=inputs, labels=np.arange(len(inputs)) % 4)
    return Task(
        name="toy",
        classes=("a", "b", "c", "d"),
        input_name="rows",
        scale=1.0,
        augmentation=Augmentation(),
        fingerprint="toy",
        train=samples,
        validation=samples,
        test=lambda: samples,
        padding=padding,
        tokenizer=tokenizer,
    )


def images(channels: int = 1, side: int = 16) -> Task:
    random = np.random.default_rng(0)
    return task_of(random.random((8, channels, side, side), dtype=np.float32))


def series() -> Task:
    return task_of(np.random.default_rng(0).random((8, 6, 20), dtype=np.float32))


def texts() -> Task:
    library = Tokenizer(models.WordLevel({f"w{i}": i for i in range(40)}, unk_token="w1"))
    library.enable_truncation(max_length=12)
    rows = np.random.default_rng(0).integers(2, 20, (8, 9)).astype(np.uint16)
    rows[:, 7:] = 0
    rows[0, 0] = 39  # in one text alone
    return task_of(rows, padding=0, tokenizer=library.to_str())


FAMILIES = [
    (FactoryStudent(kind="factory", name="residual", widths=(8, 12), stem=4, stride=2), images()),
    (FactoryStudent(kind="factory", name="depthwise", widths=(8, 16), depth=2), images(3)),
    (FactoryStudent(kind="factory", name="perceptron", widths=(16, 8)), images()),
    (FactoryStudent(kind="factory", name="perceptron", widths=(16,), depth=2), series()),
    (FactoryStudent(kind="factory", name="sequence", widths=(8, 12), depth=2), series()),
    (FactoryStudent(kind="factory", name="encoder", widths=(64,), depth=2), texts()),
    (FactoryStudent(kind="factory", name="convolution", widths=(16,), depth=2), texts()),
]
NAMES = [f"{node.name}-{len(node.widths)}x{node.depth}" for node, _ in FAMILIES]


@pytest.mark.parametrize(("node", "task"), FAMILIES, ids=NAMES)
def test_a_family_gives_logits_whose_file_answers_alike(
    node: FactoryStudent, task: Task, tmp_path: Path
) -> None:
    module, samples = checked_student(node, task, folder=HERE, seed=3)
    with torch.no_grad():
        expected = module(*samples).numpy()
    assert expected.shape == (2, 4)
    export(
        module, samples, path=tmp_path / "student.onnx", input_names=task.input_names,
        open_axes=task.open_axes,
    )  # fmt: skip
    session = open_session(tmp_path / "student.onnx", threads=1)
    got = run_batches(session, task.train.inputs[:2], batch=2, collate=task.collate)
    np.testing.assert_allclose(got, expected, atol=1e-4)


@pytest.mark.parametrize(("node", "task"), FAMILIES, ids=NAMES)
def test_a_family_shows_its_shapes_without_values(node: FactoryStudent, task: Task) -> None:
    example = as_inputs(task, task.train.inputs[:1])
    with torch.device("meta"):
        bare = build_student(node, folder=HERE, seed=0, task=task).eval()
    made = build_student(node, folder=HERE, seed=0, task=task).eval()
    assert operators_of(bare, example) == operators_of(made, example) != ()


def test_weights_depend_on_the_seed_alone() -> None:
    node, task = FAMILIES[0]
    torch.manual_seed(1)
    first = build_student(node, folder=HERE, seed=5, task=task).state_dict()
    torch.manual_seed(2)
    again = build_student(node, folder=HERE, seed=5, task=task).state_dict()
    other = build_student(node, folder=HERE, seed=6, task=task).state_dict()
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not torch.equal(first["head.weight"], other["head.weight"])


@pytest.mark.parametrize("node", [node for node, task in FAMILIES if task.padding is not None])
def test_padding_and_words_that_no_training_text_has_change_nothing(node: FactoryStudent) -> None:
    module = build_student(node, folder=HERE, seed=0, task=texts()).eval()
    ids = torch.tensor([[5, 6, 7, 8]])
    mask = torch.ones_like(ids)
    with torch.no_grad():
        alone = module(ids, mask)
        padded = module(*(torch.nn.functional.pad(part, (0, 6)) for part in (ids, mask)))
        rare = module(torch.tensor([[5, 39]]), torch.ones(1, 2, dtype=torch.int64))
        unseen = module(torch.tensor([[5, 33]]), torch.ones(1, 2, dtype=torch.int64))
    torch.testing.assert_close(padded, alone, atol=1e-6, rtol=0)
    assert torch.equal(rare, unseen)


@given(st.integers(1, 24), st.integers(1, 3))
@settings(max_examples=15, deadline=None)
def test_a_wider_network_costs_more(width: int, depth: int) -> None:
    task = images()
    sizes = []
    for channels in (width, width + 1):
        node = FactoryStudent(kind="factory", name="residual", widths=(channels,), depth=depth)
        module = build_student(node, folder=HERE, seed=0, task=task)
        example = torch.zeros(1, 1, 16, 16)
        sizes.append((count_parameters(module), count_macs(module, example)))
    assert sizes[0] < sizes[1]
    # The stem, 2 x depth 3x3 convolutions at 16 x 16, and the head.
    assert sizes[0][1] == 256 * 9 * width * (1 + 2 * depth * width) + 4 * width


def test_strides_halve_before_the_first_width() -> None:
    macs = []
    for stride in (1, 2, 4):
        node = FactoryStudent(kind="factory", name="residual", widths=(8,), stem=8, stride=stride)
        module = build_student(node, folder=HERE, seed=0, task=images())
        macs.append(count_macs(module, torch.zeros(1, 1, 16, 16)))
    assert macs[0] == 256 * 9 * (8 + 2 * 64) + 32
    assert macs[1] == 256 * 9 * 8 + 64 * (9 * 2 * 64 + 64) + 32  # the shortcut has a convolution
    assert macs[2] == 64 * 9 * 8 + 16 * (9 * 2 * 64 + 64) + 32


@pytest.mark.parametrize(
    ("changes", "task", "said", "cure"),
    [
        ({"name": "encoder"}, images(), "can't take the inputs", "residual or depthwise"),
        ({"name": "residual"}, texts(), "can't take the inputs", "encoder or convolution"),
        ({"name": "sequence", "stride": 2}, series(), "no first convolution", "remove"),
        ({"name": "encoder", "widths": (32, 64)}, texts(), "one width", "depth"),
        ({"name": "residual", "widths": (8,) * 6}, images(), "leave nothing of 16", "fewer"),
    ],
)
def test_what_does_not_fit_is_refused_with_what_does(
    changes: dict[str, object], task: Task, said: str, cure: str
) -> None:
    fields = {"kind": "factory", "widths": (32,), **changes}
    node = FactoryStudent.model_validate(fields)
    with pytest.raises(InputError) as refused:
        build_student(node, folder=HERE, seed=0, task=task)
    assert said in refused.value.what
    assert cure in (refused.value.cure or "")


def test_every_family_is_offered_for_inputs_that_it_takes() -> None:
    assert families_for(images()) == ("residual", "depthwise", "perceptron")
    assert families_for(texts()) == ("encoder", "convolution")
    assert families_for(series()) == ("sequence", "perceptron")
    assert student_code(FAMILIES[0][0], folder=HERE) == student_code(FAMILIES[1][0], folder=HERE)
