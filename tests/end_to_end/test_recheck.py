"""`distil recheck`: the same student here and now, without a change to the run."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from compress.cli.main import run_command
from compress.pipeline.recheck import recheck
from compress.pipeline.run import run
from compress.pipeline.verify import verify_run
from exporters.errors import InputError


@pytest.fixture(scope="module")
def finished(shapes: Path, store: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("out") / "run"
    overrides = ("bench.epochs=3", "bench.batch=[2]", "controls=none")
    return run(shapes / "recipe.yaml", out=out, cache=store, overrides=overrides).folder


def _call(capsys: pytest.CaptureFixture[str], tmp_path: Path, *words: object) -> tuple[int, str]:
    code = run_command(["recheck", *map(str, words), "--json", str(tmp_path / "out.json")])
    taken = capsys.readouterr()
    return code, taken.out + taken.err


def test_the_student_is_measured_and_judged_again_and_the_run_stays(
    finished: Path,
    shapes: Path,
    store: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    before = json.loads((finished / "report.json").read_text())
    code, said = _call(
        capsys, tmp_path, finished, "--recipe-folder", shapes, "--cache", store,
        "--out", tmp_path / "again",
    )  # fmt: skip
    assert code == 0, said
    result = json.loads((tmp_path / "out.json").read_text())["result"]
    assert (result["changed_answers"], result["differing"]) == (0, [])
    assert [v["budget"] for v in result["verdicts"]] == ["accuracy", "size"]
    assert f"changed answers: 0 of {result['samples']:,} (0.00 %)" in said
    assert "machine and runtime: as in the run" in said
    assert verify_run(finished) == ()
    after = json.loads((tmp_path / "again" / "report.json").read_text())
    for name in ("accuracy", "accuracy_low", "samples"):
        assert [q[name] for q in after["qualities"]] == [q[name] for q in before["qualities"]]
    assert after["pairs"][0]["lost"] == before["pairs"][0]["lost"]
    metrics = [[m["value"] for q in r["qualities"] for m in q["metrics"]] for r in (before, after)]
    assert metrics[0] == pytest.approx(metrics[1], abs=1e-3)
    settings = [c["setting"] for m in after["measured"]["measurements"] for c in m["cells"]]
    assert settings == [{"device": "cpu", "threads": 1, "batch": 2}] * 2  # the run's overrides
    assert after["measured"] != before["measured"]


def test_without_the_teachers_file_its_stored_answers_serve(
    finished: Path, shapes: Path, tmp_path: Path
) -> None:
    run_folder = Path(shutil.copytree(finished, tmp_path / "run"))
    with np.load(run_folder / "predictions.npz") as stored:
        arrays = {name: stored[name].copy() for name in stored.files}
    arrays["student"][:3] = (arrays["student"][:3] + 1) % 3  # as if they had changed since
    np.savez_compressed(run_folder / "predictions.npz", **arrays)
    found = recheck(run_folder, recipe_folder=shapes, cache=tmp_path / "empty")
    assert found.changed_answers == 3
    assert [q.subject for q in found.now.qualities] == ["teacher", "student"]
    assert found.now.measured is not None
    assert [m.subject for m in found.now.measured.measurements] == ["student"]
    assert found.now.pairs[0].lost == found.then.pairs[0].lost
    assert {v.budget: v.status for v in found.now.verdicts}["accuracy"] == "pass"
    assert any("--teacher" in note for note in found.now.notes)


@pytest.mark.parametrize(
    ("name", "what"),
    [("student.onnx", "is not the teacher of this run"), ("absent.onnx", "no such file")],
)
def test_a_given_teacher_has_to_be_the_one_of_the_run(
    finished: Path, shapes: Path, tmp_path: Path, name: str, what: str
) -> None:
    with pytest.raises(InputError, match=what):
        recheck(finished, recipe_folder=shapes, cache=tmp_path / "empty", teacher=finished / name)


def test_a_changed_file_is_named_and_nothing_is_measured(
    finished: Path, shapes: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    broken = Path(shutil.copytree(finished, tmp_path / "broken"))
    model = broken / "student.onnx"
    model.write_bytes(model.read_bytes()[:-1] + b"x")
    code, said = _call(capsys, tmp_path, broken, "--recipe-folder", shapes)
    assert code == 1
    assert "changed: student.onnx: has other bytes than are listed" in said
    assert "nothing was measured" in said


def test_other_data_is_refused(finished: Path, shapes: Path, tmp_path: Path) -> None:
    other = Path(shutil.copytree(shapes, tmp_path / "other"))
    project = other / "project.py"
    project.write_text(project.read_text().replace("seed=3", "seed=4"))
    with pytest.raises(InputError, match="is other data than the run was judged on"):
        recheck(finished, recipe_folder=other, cache=tmp_path / "empty")


def test_the_report_may_not_replace_the_run(
    finished: Path, shapes: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, said = _call(capsys, tmp_path, finished, "--recipe-folder", shapes, "--out", finished)
    assert code == 2
    assert "is the run itself" in said
