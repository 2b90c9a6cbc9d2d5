"""The suite that times stored outputs against a teacher in the loop, on one epoch of a toy."""

from __future__ import annotations

import json
import math
import sys
from pathlib import Path

import pytest

from benchmarks.suites import time_to_accuracy


@pytest.mark.slow  # two trainings as jobs, beside the shapes' own run
def test_a_unit_trains_both_sides_for_equal_steps_and_is_not_done_twice(
    shapes: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    lines = tmp_path / "lines.jsonl"
    tiny = [part for key in ("epochs", "views") for part in ("--set", f"distill.{key}=1")]
    monkeypatch.setattr(sys, "argv", ["time_to_accuracy", "--out", str(lines), *tiny])
    monkeypatch.setattr(time_to_accuracy, "RECIPE", shapes / "recipe.yaml")
    monkeypatch.setattr(time_to_accuracy, "ROOT", tmp_path)
    monkeypatch.setattr(time_to_accuracy, "SEEDS", (1,))
    time_to_accuracy.main()
    text = lines.read_text()
    row = json.loads(text)
    online, tries = row["online"], row["stored"]
    assert (row["seed"], online["epochs"], tries[0]["epochs"]) == (1, 1, 1)
    for side in (online, *tries):
        assert len(side["curve"]) == side["epochs"]
        assert 0 < side["train_seconds"] < math.inf
        assert 1 / 3 < side["validation_accuracy"] <= 1
    assert online["outputs_seconds"] == 0
    assert tries[0]["outputs_seconds"] > 0
    assert row["reached"] == (tries[-1]["validation_accuracy"] >= online["validation_accuracy"])
    assert (row["times_less"] is None) != row["reached"]
    assert "seed 1: online" in capsys.readouterr().out

    time_to_accuracy.main()
    assert lines.read_text() == text
    assert "seed 1: online" in capsys.readouterr().out
