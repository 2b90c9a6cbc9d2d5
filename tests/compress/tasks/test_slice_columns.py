"""What else data says of its test samples becomes slices: of tables, npz files and folders."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from tokenizers import Tokenizer, models, pre_tokenizers

from compress.errors import InputError
from compress.metrics.slices import column_members
from compress.recipe.nodes import ImageArraysTask, ImageFolderTask, TextTask
from compress.tasks import Task, build_task
from compress.tasks.columns import column_of

WORDS = [f"w{index}" for index in range(60)]


def _text_task(folder: Path, rows: list[dict[str, Any]], **fields: object) -> Task:
    vocabulary = {word: index for index, word in enumerate(["[PAD]", "[UNK]", *WORDS])}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.save(str(folder / "tokenizer.json"))
    (folder / "t.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    node = TextTask.model_validate(
        {"kind": "text-table", "data": "t.jsonl", "tokenizer": "tokenizer.json", **fields}
    )
    return build_task(node, folder=folder, seed=0, cache=folder / "cache")


def _rows(count: int = 200, *, first: int = 0) -> list[dict[str, Any]]:
    random = np.random.default_rng(first)
    return [
        {
            "text": f"w{index % 60} " + " ".join(random.choice(WORDS, 8)),
            "label": ("no", "yes")[index % 2],
            "lang": ("de", "en", "")[index % 3],
            "age": index % 40 if index % 5 else None,
            "doc": f"document {index // 4}",
        }
        for index in range(first, first + count)
    ]


def test_columns_of_a_table_belong_to_the_rows_that_are_held_out(tmp_path: Path) -> None:
    rows = _rows()
    task = _text_task(tmp_path, rows, columns=["lang", "age"], group="doc")
    test = task.test()
    assert task.columns == ("lang", "age")
    expected = [rows[index] for index in test.ids]
    assert test.columns["lang"].tolist() == [row["lang"] or "(empty)" for row in expected]
    ages = [np.nan if row["age"] is None else row["age"] for row in expected]
    np.testing.assert_array_equal(test.columns["age"], np.array(ages, dtype=float))
    assert test.texts == tuple(row["text"] for row in expected)
    assert test.groups is not None
    same = [[a["doc"] == b["doc"] for b in expected] for a in expected]
    assert (test.groups[:, None] == test.groups[None, :]).tolist() == same


def test_columns_come_from_the_table_of_the_test_rows_where_it_is_another(tmp_path: Path) -> None:
    later = _rows(60, first=1000)
    (tmp_path / "test.jsonl").write_text("".join(json.dumps(row) + "\n" for row in later))
    plain = [{k: row[k] for k in ("text", "label")} for row in _rows()]
    task = _text_task(tmp_path, plain, test_data="test.jsonl", columns=["lang"])
    found = task.test().columns["lang"].tolist()
    assert found == [row["lang"] or "(empty)" for row in later]


def test_columns_change_the_fingerprint_and_their_absence_does_not(tmp_path: Path) -> None:
    rows = _rows()
    plain = _text_task(tmp_path, rows)
    other = [{**row, "lang": "fr"} for row in rows]
    assert _text_task(tmp_path, other).fingerprint == plain.fingerprint
    first = _text_task(tmp_path, rows, columns=["lang"]).fingerprint
    second = _text_task(tmp_path, other, columns=["lang"]).fingerprint
    assert len({plain.fingerprint, first, second}) == 3


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"columns": ["tongue"]}, "no column 'tongue'"),
        ({"columns": ["doc", "class"]}, "no column 'class'"),
        ({"columns": ["parts"]}, "is list, no plain value"),
        ({"columns": ["length"]}, "is no name for a column"),
    ],
)
def test_a_column_that_can_not_be_one_is_named(
    tmp_path: Path, fields: dict[str, Any], said: str
) -> None:
    rows = [{**row, "parts": [1], "length": 3} for row in _rows()]
    with pytest.raises(InputError, match=said):
        _text_task(tmp_path, rows, **fields)


def test_values_of_a_column_are_numbers_only_where_all_are() -> None:
    assert column_of(["1", " 2.5", None]).tolist()[:2] == [1.0, 2.5]
    assert column_of(["1", "b", ""]).tolist() == ["1", "b", "(empty)"]
    assert column_of([None, ""]).tolist() == ["(empty)", "(empty)"]
    assert column_of(["1_0", "2_0"]).tolist() == ["1_0", "2_0"]
    ages = column_of([*range(40), None])
    names = [members.name for members in column_members("age", ages)]
    assert names == ["unknown", "0 to 9.75", "9.75 to 19.5", "19.5 to 29.25", "29.25 to 39"]


def _arrays(**others: np.ndarray) -> dict[str, np.ndarray]:
    random = np.random.default_rng(0)
    return {
        "train_images": random.integers(0, 256, (60, 8, 8), dtype=np.uint8),
        "train_labels": np.arange(60) % 2,
        "test_images": random.integers(0, 256, (20, 8, 8), dtype=np.uint8),
        "test_labels": np.arange(20) % 2,
        **others,
    }


def test_an_npz_holds_columns_and_groups_of_its_test_samples(tmp_path: Path) -> None:
    sites = np.array(["north", "south"] * 10)
    np.savez(
        tmp_path / "d.npz",
        **_arrays(test_column_site=sites, test_column_age=np.arange(20), test_groups=np.arange(20)),
    )
    node = ImageArraysTask(kind="image-arrays", data="d.npz", validation=10)
    test = build_task(node, folder=tmp_path, seed=0, cache=tmp_path).test()
    assert test.columns["site"].tolist() == sites.tolist()
    assert test.columns["age"].tolist() == list(range(20))
    assert test.groups is not None
    np.savez(tmp_path / "d.npz", **_arrays(test_column_site=sites[:3]))
    with pytest.raises(InputError, match="not one value per test sample"):
        build_task(node, folder=tmp_path, seed=0, cache=tmp_path)
    np.savez(tmp_path / "d.npz", **_arrays(site=sites))
    with pytest.raises(InputError, match="holds 'site'") as refused:
        build_task(node, folder=tmp_path, seed=0, cache=tmp_path)
    assert "test_column_NAME" in str(refused.value)


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """Twelve images of two classes, and what a table says of each."""
    random = np.random.default_rng(0)
    rows = []
    for label in ("ant", "bee"):
        (tmp_path / "d" / label).mkdir(parents=True)
        for index in range(12):
            pixels = random.integers(0, 256, (8, 8, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / "d" / label / f"{index}.png")
            rows.append({"file": f"{label}/{index}.png", "camera": f"cam{index % 3}"})
    with (tmp_path / "about.csv").open("w", newline="") as stream:
        writer = csv.DictWriter(stream, ["file", "camera"])
        writer.writeheader()
        writer.writerows(rows)
    return tmp_path


def _folder_task(folder: Path) -> Task:
    node = ImageFolderTask(kind="image-folder", data="d", size=8, columns="about.csv")
    return build_task(node, folder=folder, seed=0, cache=folder / "cache")


def test_a_table_beside_a_folder_says_more_of_its_images(images: Path) -> None:
    test = _folder_task(images).test()
    names = [f"{label}/{i}.png" for label in ("ant", "bee") for i in map(str, range(12))]
    names.sort()
    expected = [f"cam{int(names[i].split('/')[1][:-4]) % 3}" for i in test.ids]
    assert test.columns["camera"].tolist() == expected


def test_an_image_that_the_table_leaves_out_is_named(images: Path) -> None:
    path = images / "about.csv"
    rows = path.read_text().splitlines()
    path.write_text("\n".join([*rows, rows[-1]]) + "\n")
    with pytest.raises(InputError, match=r"row 25: is a second row for 'bee/11.png'"):
        _folder_task(images)
    path.write_text("\n".join(rows[:3]) + "\n")
    with pytest.raises(InputError, match="says nothing of the test image"):
        _folder_task(images)
