"""Slices of images under corruption: what a student loses there, and what is spared."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from compress.pipeline.scenarios import corrupted_slices
from compress.recipe.nodes import ImageArraysTask, Slices
from compress.tasks import Task, build_task
from compress.tasks.data import Samples

SIDE = 12


def _task(folder: Path) -> Task:
    """Dark and bright stripes, upright or level: known by the contrast along each axis."""
    random = np.random.default_rng(0)

    def drawn(count: int) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
        labels = np.arange(count) % 2
        low = random.integers(0, 60, (count, 1))
        stripes = low + 180 * (np.arange(SIDE) // 3 % 2)[None]
        images = np.repeat(stripes[:, :, None], SIDE, axis=2) + random.integers(0, 9, (count, 1, 1))
        images[labels == 1] = images[labels == 1].transpose(0, 2, 1)
        return images.astype(np.uint8), labels

    (train, train_labels), (test, test_labels) = drawn(100), drawn(60)
    test[:, 0, 0], train[:, 0, 0] = np.arange(60) * 2, np.arange(100) * 2 + 1  # no copies
    np.savez(
        folder / "d.npz", train_images=train, train_labels=train_labels, test_images=test,
        test_labels=test_labels,
    )  # fmt: skip
    node = ImageArraysTask(kind="image-arrays", data="d.npz", validation=10)
    return build_task(node, folder=folder, seed=0, cache=folder / "cache")


def test_each_corruption_is_a_slice_of_its_own(tmp_path: Path) -> None:
    """The teacher looks at which axis changes more; the student wants a change of a given size."""
    task = _task(tmp_path)

    def scores(name: str, samples: Samples) -> NDArray[np.float32]:
        values = task.prepare(samples.inputs)[:, 0]
        upright = values.mean(axis=2).std(axis=1)
        level = values.mean(axis=1).std(axis=1)
        found = np.stack([upright, level], axis=1)
        if name == "student":
            found = np.stack([np.full(len(found), 0.2), level], axis=1)
        return found.astype(np.float32)

    found = corrupted_slices(
        task, task.test(), "teacher", "student", node=Slices(), seed=0, scores=scores
    )
    by_name = {one.name: one for one in found}
    assert [one.name for one in found] == ["noise", "blur", "contrast"]
    assert {one.kind for one in found} == {"corruption"}
    assert {(one.samples, one.reference_right) for one in found} == {(60, 60)}
    assert (by_name["noise"].lost, by_name["blur"].lost) == (0, 0)
    assert by_name["contrast"].lost == 30  # all that are level: 0.4 of their change is too little
    (one,) = corrupted_slices(
        task, task.test(), "teacher", "student", node=Slices(corruptions=("blur",)), seed=0,
        scores=scores,
    )  # fmt: skip
    assert one.name == "blur"
