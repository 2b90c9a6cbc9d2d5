"""Slices of texts: by length and columns, and under typing errors, which are tokenized again."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from tokenizers import Tokenizer, models, pre_tokenizers

from compress.errors import InputError
from compress.metrics.scores import answers
from compress.pipeline.scenarios import check_slices, corrupted_slices, slices_of
from compress.recipe.nodes import Slices, TextTask
from compress.tasks import Task, build_task
from compress.tasks.data import Samples

WORDS = [f"{first}{second}ring" for first in "bdfgklmpst" for second in ("a", "e", "i", "o", "u")]


@pytest.fixture
def task(tmp_path: Path) -> Task:
    """300 texts of known words; every mistyped one is unknown."""
    vocabulary = {word: index for index, word in enumerate(["[PAD]", "[UNK]", *WORDS])}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    random = np.random.default_rng(0)
    with (tmp_path / "t.csv").open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["text", "label", "lang"])
        for index in range(300):
            words = random.choice(WORDS, int(random.integers(3, 9)))
            writer.writerow(
                [" ".join(words), ("no", "yes")[index % 2], ("de", "en")[index % 3 % 2]]
            )
    node = TextTask.model_validate(
        {
            "kind": "text-table",
            "data": "t.csv",
            "tokenizer": "tokenizer.json",
            "columns": ["lang"],
            "test": 100,
        }
    )
    return build_task(node, folder=tmp_path, seed=0, cache=tmp_path / "cache")


def test_a_model_that_trips_over_unknown_words_loses_under_typing_errors(task: Task) -> None:
    test = task.test()

    def scores(name: str, samples: Samples) -> NDArray[np.float32]:
        right = np.eye(2, dtype=np.float32)[samples.labels]
        tripped = (samples.inputs == 1).any(axis=1) & (name == "student")
        found: NDArray[np.float32] = np.where(tripped[:, None], 1 - right, right)
        return found

    given = {
        name: answers(name, scores(name, test), test.labels) for name in ("teacher", "student")
    }
    plain = slices_of(task, test, given["teacher"], given["student"], node=Slices())
    assert {one.kind for one in plain} == {"class", "lang", "length", "confidence"}
    assert all(one.lost == 0 for one in plain)
    for node in (Slices(), Slices(corruptions=("typos",))):
        (typos,) = corrupted_slices(
            task, test, "teacher", "student", node=node, seed=0, scores=scores
        )
        assert (typos.kind, typos.name, typos.samples) == ("corruption", "typos", 100)
        assert typos.reference_right == 100
        assert typos.candidate_right <= 5  # where a slip made another known word


def test_corruptions_of_images_are_refused_before_anything_is_trained(task: Task) -> None:
    check_slices(task, Slices(by=("lang", "length"), corruptions=("typos",)))
    with pytest.raises(InputError, match="blur is no corruption of such inputs; here typos fit"):
        check_slices(task, Slices(corruptions=("blur",)))
    with pytest.raises(InputError, match="here it can be by class, lang, length, confidence"):
        check_slices(task, Slices(by=("dialect",)))
