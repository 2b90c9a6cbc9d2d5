"""`task: {kind: audio-folder}`: from WAV files through a teacher trained on them to a report."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from compress.pipeline.run import run
from compress.pipeline.verify import verify_run
from tests.compress.tasks.sounds import save_tones

TONES = Path(__file__).parents[1] / "projects" / "tones"


@pytest.mark.slow
def test_tones_are_told_apart_from_recipe_to_report(tmp_path: Path) -> None:
    project = tmp_path / "project"
    shutil.copytree(TONES, project)
    save_tones(project / "tones" / "train", 80)
    save_tones(project / "tones" / "test", 40, seed=1)
    cache = tmp_path / "cache"
    run(project / "teacher.yaml", out=project / "teacher", cache=cache)
    result = run(project / "recipe.yaml", out=tmp_path / "run", cache=cache)
    report = result.report
    assert {v.budget: v.status for v in report.verdicts} == {"accuracy": "pass", "size": "pass"}
    qualities = {quality.subject: quality for quality in report.qualities}
    assert qualities["teacher"].accuracy > 0.9
    assert qualities["student"].accuracy > 0.85
    (noise,) = (part for part in report.slices if part.kind == "corruption")
    assert (noise.name, noise.samples) == ("noise", 120)
    lengths = [part for part in report.slices if part.kind == "length"]
    assert sum(part.samples for part in lengths) == 120
    assert all(part.name.endswith(" s") for part in lengths)
    assert {part.name for part in report.slices if part.kind == "class"} == {"high", "low", "mid"}
    assert verify_run(tmp_path / "run") == ()

    # predict.py reads the recordings themselves, and answers as the judge heard them.
    paths = sorted((project / "tones" / "test").rglob("*.wav"))
    done = subprocess.run(
        [sys.executable, tmp_path / "run" / "predict.py", *paths, "--json"],
        capture_output=True,
        text=True,
        check=True,
    )
    right = [Path(row["file"]).parent.name == row["class"] for row in json.loads(done.stdout)]
    assert sum(right) / len(right) == pytest.approx(qualities["student"].accuracy)
