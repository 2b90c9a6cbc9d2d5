"""A whole run on texts: table and tokenizer in, a folder that answers raw texts out."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnxruntime
import pytest

from compress.errors import InputError
from compress.pipeline.run import RunResult, plan, prepare, run
from compress.pipeline.verify import verify_run
from compress.recipe.load import load_recipe
from compress.teachers.check import check_teacher
from compress.teachers.earlier_run import run_teacher


@pytest.fixture(scope="module")
def finished(sayings: Path) -> RunResult:
    return run(sayings / "recipe.yaml", out=sayings.parent / "out", cache=sayings.parent / "cache")


def test_a_small_transformer_learns_topics_from_stored_outputs(finished: RunResult) -> None:
    by_name = {quality.subject: quality for quality in finished.report.qualities}
    assert by_name["teacher"].accuracy > 0.95
    assert by_name["student"].accuracy > 0.85
    assert [verdict.status for verdict in finished.report.verdicts] == ["pass"]
    assert finished.report.export is not None
    assert finished.report.export.parity.passed
    assert verify_run(finished.folder) == ()


def test_texts_are_judged_by_length_and_under_typing_errors(finished: RunResult) -> None:
    slices = finished.report.slices
    assert {one.kind for one in slices} == {"class", "length", "confidence", "corruption"}
    (typos,) = (one for one in slices if one.kind == "corruption")
    (plain,) = (one for one in finished.report.qualities if one.subject == "teacher")
    assert (typos.name, typos.samples) == ("typos", plain.samples)
    assert typos.reference_right < plain.samples * plain.accuracy  # its words have no such slips


def test_the_file_takes_any_batch_and_length_and_padding_changes_nothing(
    finished: RunResult,
) -> None:
    session = onnxruntime.InferenceSession(finished.folder / "student.onnx")
    assert [entry.name for entry in session.get_inputs()] == ["input_ids", "attention_mask"]
    ids = np.random.default_rng(0).integers(2, 40, (3, 9))
    ones = np.ones_like(ids)
    short = session.run(None, {"input_ids": ids, "attention_mask": ones})[0]
    padded = session.run(
        None,
        {
            "input_ids": np.pad(ids, ((0, 0), (0, 11))),
            "attention_mask": np.pad(ones, ((0, 0), (0, 11))),
        },
    )[0]
    np.testing.assert_allclose(short, padded, atol=1e-5)
    one = session.run(None, {"input_ids": ids[:1, :2], "attention_mask": ones[:1, :2]})[0]
    assert one.shape == (1, 3)


def test_predict_py_answers_raw_texts_as_the_run_judged_them(
    finished: RunResult, tmp_path: Path
) -> None:
    texts = tmp_path / "texts.txt"
    texts.write_text("the small Dog with a horse\n\nwander and drift\nbread with very old cheese\n")
    command = [sys.executable, "-I", str(finished.folder / "predict.py"), str(texts), "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    rows = json.loads(done.stdout)
    assert [row["class"] for row in rows] == ["animal", "motion", "food"]
    assert all(0.34 < row["probability"] <= 1.0 for row in rows)
    manifest = json.loads((finished.folder / "manifest.json").read_text())
    assert manifest["preprocessing"]["tokenizer"] == "tokenizer.json"


def test_its_file_teaches_texts_that_are_cut_elsewhere(sayings: Path, finished: RunResult) -> None:
    """The longest row of its table says nothing of what a network of tokens takes."""
    loaded = load_recipe(sayings / "recipe.yaml", overrides=("task.tokens=9",))
    task = prepare(loaded, cache=sayings.parent / "cache").task
    assert task.train.inputs.shape[1] == 9
    teacher = run_teacher(finished.folder, digest="", threads=1, input_names=task.input_names)
    assert check_teacher(teacher, task) > 0.8


def test_its_file_teaches_no_texts_of_another_tokenizer(
    sayings: Path, finished: RunResult, tmp_path: Path
) -> None:
    shutil.copytree(sayings, tmp_path / "other")
    path = tmp_path / "other" / "tokenizer.json"
    said = json.loads(path.read_text())
    vocabulary = said["model"]["vocab"]
    first, second = [word for word in vocabulary if word.isalpha()][:2]
    vocabulary[first], vocabulary[second] = vocabulary[second], vocabulary[first]
    path.write_text(json.dumps(said))
    loaded = load_recipe(tmp_path / "other" / "recipe.yaml")
    task = prepare(loaded, cache=tmp_path / "cache").task
    teacher = run_teacher(finished.folder, digest="", threads=1, input_names=task.input_names)
    with pytest.raises(InputError, match=r"texts of another tokenizer \(model differs\)"):
        check_teacher(teacher, task)


def test_it_teaches_nothing_with_a_tokenizer_that_changed(
    finished: RunResult, tmp_path: Path
) -> None:
    shutil.copytree(finished.folder, tmp_path / "run")
    path = tmp_path / "run" / "tokenizer.json"
    path.write_text(path.read_text() + " ")
    with pytest.raises(InputError, match=r"tokenizer\.json is not the file that the run wrote"):
        run_teacher(tmp_path / "run", digest="", threads=1)


def test_a_second_run_computes_nothing(sayings: Path, finished: RunResult) -> None:
    planned = plan(sayings / "recipe.yaml", cache=sayings.parent / "cache")
    assert [entry.stage for entry in planned if not entry.hit] == []
