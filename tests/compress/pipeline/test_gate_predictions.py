"""Predictions that a user stored, as `distil gate --measure` judges them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from gate_rows import ACCURACY, BY_FILE, METRICS, WORDS, judged, kept, sliced, write_project

from compress.errors import InputError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_project(tmp_path)


@pytest.mark.parametrize(("groups", "status"), [(None, "pass"), (20, "inconclusive")])
def test_an_array_of_groups_beside_predictions_is_no_column(
    folder: Path, groups: int | None, status: str
) -> None:
    labels = np.arange(600) % 3
    student = labels.copy()
    student[:20] = (student[:20] + 1) % 3
    arrays = {"labels": labels, "teacher": labels, "student": student}
    if groups is not None:
        arrays["groups"] = np.repeat(np.arange(groups), 600 // groups)
    np.savez(folder / "answers.npz", **arrays)  # type: ignore[arg-type]
    found = judged(
        folder,
        BY_FILE + ACCURACY + "  - {id: slices, metric: accuracy, vs: teacher, per_slice: all,"
        " max_drop: 6pp}\n",
    )
    assert found["accuracy"].status == status
    assert {part.name for part in found["slices"].parts} == {"class 0", "class 1", "class 2"}


def test_scores_that_are_stored_give_losses_and_classes_alone_say_what_is_missing(
    folder: Path,
) -> None:
    labels = np.arange(600) % 3
    sure = np.full((600, 3), 0.02)
    sure[np.arange(600), labels] = 0.96
    student = sure.copy()
    student[:20] = student[:20, [1, 2, 0]]
    np.savez(folder / "answers.npz", labels=labels, teacher=sure, student=student)
    found = judged(folder, BY_FILE + METRICS + sliced("confidence", "9pp"))
    assert {name: one.status for name, one in found.items()} == {**WORDS, "confidence": "pass"}
    (quality,) = [one for one in kept(folder)["qualities"] if one["subject"] == "student"]
    metrics = {one["metric"]: one["value"] for one in quality["metrics"]}
    wrong = 20 / 600
    assert metrics["nll"] == pytest.approx(
        -(1 - wrong) * np.log(0.96) - wrong * np.log(0.02), rel=1e-5
    )
    np.savez(folder / "answers.npz", labels=labels, teacher=sure, student=student.argmax(axis=1))
    (folder / ".distil" / "gate" / "distil.gate" / "report.json").unlink()
    assert judged(folder, BY_FILE + METRICS.partition("  - {id: loss")[0])["f1"].status == "pass"
    with pytest.raises(InputError, match="`student` holds classes alone, and nll needs scores"):
        judged(folder, BY_FILE + METRICS)


@pytest.mark.parametrize(
    ("arrays", "budgets", "said"),
    [
        ({"teacher": None}, ACCURACY, "holds no `teacher`, which the budget accuracy needs"),
        ({"labels": None}, ACCURACY, "holds no `labels`"),
        ({}, sliced("colour"), "holds no `colour`, by which the budget colour slices"),
        ({}, sliced("confidence"), "`teacher` holds classes alone, and a slice by confidence"),
        ({"groups": np.zeros(600)}, ACCURACY, "puts all samples into one group"),
        ({"groups": np.arange(6)}, ACCURACY, "`groups` is of shape"),
        ({"student": np.full((600, 3), np.nan)}, ACCURACY, "scores that are no numbers"),
        ({"student": np.ones((600, 2))}, ACCURACY, "`student` scores 2 classes, and labels go"),
        ({"student": np.full(600, -1)}, ACCURACY, "`student` are no class indices from 0"),
        ({}, "  - {id: s, metric: spearman, min: 0.9}\n", "`student` holds no embeddings"),
    ],
)
def test_what_a_file_of_predictions_lacks_is_said_with_what_to_store(
    folder: Path, arrays: dict[str, Any], budgets: str, said: str
) -> None:
    labels = np.arange(600) % 3
    stored = {"labels": labels, "teacher": labels, "student": labels, **arrays}
    given = {name: values for name, values in stored.items() if values is not None}
    np.savez(folder / "answers.npz", **given)
    with pytest.raises(InputError, match=said) as caught:
        judged(folder, BY_FILE + budgets)
    assert caught.value.cure
