"""Several teachers as one: each with stored outputs of its own, their mean, one file of all."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from toy_project import toy_project

from compress.cli.main import run_command
from compress.errors import RecipeError
from compress.pipeline.graph import run_stages
from compress.pipeline.run import prepare
from compress.pipeline.stage import Finished
from compress.pipeline.stages.teacher import OUTPUTS_FILE, TEACHER_FILE, teacher_stages
from compress.recipe.load import load_recipe
from compress.store.cache import remove_result
from compress.store.store import open_store
from compress.store.tensors_file import map_tensors
from compress.teachers.several import mean_of

import toy  # isort: skip  # beside TEACHERS, which toy_project puts on the path

PROJECT = """
import numpy as np
import toy
import torch
from torch import nn
from compress.tasks import ArrayData

def data():
    return ArrayData(train=toy.images(260, 1), validation=toy.images(60, 2),
                     test=toy.images(60, 3), classes=toy.CLASSES)

def box(images):
    return (images.reshape(len(images), -1) @ toy.weights().T).astype(np.float32)

def blunt(images):
    return 0.25 * (images.reshape(len(images), -1) @ toy.weights().T).astype(np.float32)

def linear(scale):
    module = nn.Sequential(nn.Flatten(), nn.Linear(64, 3, bias=False))
    with torch.no_grad():
        module[1].weight.copy_(scale * torch.from_numpy(toy.weights()))
    return module

def sharp():
    return linear(2.0)

def flat():
    return linear(0.25)

def small():
    return nn.Sequential(nn.Flatten(), nn.Linear(64, 3))
"""
RECIPE = """
schema: 1
name: toy
task: {kind: python, target: "project.py:data", augment: {crop: 1}}
teacher:
  kind: several
  of:
    - {kind: python, target: "project.py:FIRST"}
    - {kind: python, target: "project.py:SECOND"}
student: {kind: python, target: "project.py:small"}
distill: {loss: {kind: kd}, epochs: 2, batch: 32, views: 1}
"""


def _project(folder: Path, *of: str) -> Path:
    recipe = RECIPE.replace("FIRST", of[0]).replace("SECOND", of[1])
    return toy_project(folder, PROJECT, recipe)


def _teach(project: Path, *overrides: str) -> dict[str, Finished]:
    loaded = load_recipe(project / "recipe.yaml", overrides=overrides)
    cache = project.parent / "cache"
    with open_store(cache) as store:
        context = prepare(loaded, cache=cache)
        return run_stages(teacher_stages(context), store=store, on_event=lambda event: None)


def _stored(done: Finished) -> np.ndarray:
    return np.array(map_tensors(done.files[OUTPUTS_FILE])["values"])


def test_the_mean_is_of_probabilities_by_hand() -> None:
    # Softmax of (ln 3, 0) is (3/4, 1/4), of (0, 0) a half each; 2 to 1 makes 2/3 and 1/3.
    first, second = np.array([[math.log(3), 0.0]]), np.zeros((1, 2))
    found = mean_of([first, second], [2, 1])
    np.testing.assert_allclose(np.exp(found), [[2 / 3, 1 / 3]], rtol=1e-6)
    # A teacher that is certain, with logits of any size, weighs no more than another.
    certain = mean_of([np.array([[1e4, 0.0]]), second], [1, 1])
    np.testing.assert_allclose(np.exp(certain), [[3 / 4, 1 / 4]], rtol=1e-6)
    assert np.isfinite(mean_of([np.array([[1e4, -1e4]])], [1])).all()


def test_each_teacher_stores_its_own_and_another_weight_computes_none_again(tmp_path: Path) -> None:
    project = _project(tmp_path / "box", "box", "blunt")
    finished = _teach(project)
    own = [_stored(finished[f"teacher-{n}-teacher-outputs-0"]) for n in (1, 2)]
    np.testing.assert_allclose(_stored(finished["teacher-outputs-0"]), mean_of(own, [1, 1]))
    assert TEACHER_FILE not in finished["teacher"].files  # a function has no file
    facts = finished["teacher"].json("facts.json")
    assert facts["validation_accuracy"] > 0.9
    again = _teach(project, "teacher.weights=[3, 1]")
    np.testing.assert_allclose(_stored(again["teacher-outputs-0"]), mean_of(own, [3, 1]))
    assert again["teacher-1-teacher-outputs-0"].record.hit
    assert again["teacher-2-teacher-outputs-0"].record.hit
    assert not again["teacher-outputs-0"].record.hit


def test_teachers_with_files_become_one_file_that_answers_as_their_mean(tmp_path: Path) -> None:
    project = _project(tmp_path / "files", "sharp", "flat")
    finished = _teach(project, "teacher.weights=[1, 4]")
    images = (toy.images(40, 9)[0] / 255.0).astype(np.float32)
    answers = [
        onnxruntime.InferenceSession(finished[name].files[TEACHER_FILE]).run(
            None, {"images": images}
        )
        for name in ("teacher-1", "teacher-2", "teacher")
    ]
    wanted = mean_of([answers[0][0], answers[1][0]], [1, 4])
    np.testing.assert_allclose(answers[2][0], wanted, atol=1e-4)
    assert np.abs(wanted - answers[0][0]).max() > 0.1
    assert finished["teacher"].files[TEACHER_FILE].stat().st_size < 2**16


def _verify(project: Path, said: pytest.CaptureFixture[str]) -> tuple[int, str]:
    cache = str(project.parent / "cache")
    code = run_command(["cache", "verify", str(project / "recipe.yaml"), "--cache", cache])
    return code, " ".join(said.readouterr().out.split())


def _forget(project: Path, *finished: Finished) -> None:
    with open_store(project.parent / "cache") as store:
        assert all(remove_result(store.index, one.entry) for one in finished)


def _scale(project: Path, finished: Finished) -> None:
    """Other outputs under the key of these, whole by every hash."""
    with open_store(project.parent / "cache") as store:
        data = bytearray(finished.files[OUTPUTS_FILE].read_bytes())
        values = np.frombuffer(data, dtype="<f4", offset=len(data) - 260 * 3 * 4)
        values *= 1.1
        digest = store.blobs.put_bytes(bytes(data))
        store.index.put(replace(finished.entry, files={OUTPUTS_FILE: digest}))


@pytest.mark.parametrize("of", [("box", "blunt"), ("sharp", "flat")])
def test_cache_verify_asks_each_of_several_and_checks_their_mean(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], of: tuple[str, str]
) -> None:
    project = _project(tmp_path / "verified", *of)
    first = _teach(project)
    code, said = _verify(project, capsys)
    assert code == 0
    assert "64 rows of each of 3 stored views were computed again, 0 views differ" in said
    _scale(project, first["teacher-2-teacher-outputs-0"])
    code, said = _verify(project, capsys)
    assert code == 1
    assert "removed teacher-2-teacher-outputs-0: 6" in said
    assert "1 views differ" in said
    again = _teach(project)
    assert again["teacher-1-teacher-outputs-0"].record.hit
    assert not again["teacher-2-teacher-outputs-0"].record.hit
    _scale(project, again["teacher-outputs-0"])
    code, said = _verify(project, capsys)
    assert code == 1
    assert "removed teacher-outputs-0: 6" in said


def test_cache_verify_goes_on_where_one_of_several_is_not_stored(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    project = _project(tmp_path / "gone", "box", "blunt")
    first = _teach(project)
    _forget(project, first["teacher-1"])
    code, said = _verify(project, capsys)
    assert code == 0
    # Of the first neither the view nor the mean, whose keys hold what it made.
    assert "64 rows of each of 1 stored views were computed again, 0 views differ" in said
    _forget(project, first["teacher-2"])
    code, said = _verify(project, capsys)
    assert (code, "each of 0 stored views" in said) == (0, True)


def test_cache_verify_holds_the_mean_of_short_forms_against_what_was_stored(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The mean is of what each stored, so teachers that are asked again would give another."""
    project = _project(tmp_path / "short", "box", "blunt")
    recipe = project / "recipe.yaml"
    short = "views: 1, stored: {top_k: 1, dtype: float16}"
    recipe.write_text(recipe.read_text().replace("views: 1", short))
    _teach(project)
    code, said = _verify(project, capsys)
    assert (code, "3 stored views" in said) == (0, True)


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("teacher.weights=[1, 2, 3]", "3 weights for 2 teachers"),
        ("teacher.weights=[1, 0]", "greater than 0"),
        (
            "distill.loss={kind: hint, layers: [{student: a, teacher: b}]}",
            "a teacher of kind several shows none",
        ),
        ("teacher.of=[{kind: python, target: 'project.py:flat'}]", "2 or more"),
    ],
)
def test_what_does_not_fit_several_is_refused(tmp_path: Path, override: str, said: str) -> None:
    project = _project(tmp_path / "refused", "box", "blunt")
    with pytest.raises(RecipeError, match=said):
        load_recipe(project / "recipe.yaml", overrides=(override,))
