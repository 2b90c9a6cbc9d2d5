"""Tables of texts: three formats, one task; splits that keep near-duplicates together."""

from __future__ import annotations

import csv
import json
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow
import pytest
from pyarrow import parquet
from tokenizers import Tokenizer, models, pre_tokenizers

from compress.errors import InputError
from compress.recipe.nodes import TextTask
from compress.tasks import Task, build_task, text_task
from compress.tasks.mapped import MappedFiles
from compress.tasks.text_duplicates import text_groups
from compress.tasks.text_files import read_table

WORDS = [f"w{index}" for index in range(60)]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    vocabulary = {word: index for index, word in enumerate(["[PAD]", "[UNK]", *WORDS])}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    random = np.random.default_rng(0)
    rows = [
        {
            "text": " ".join(random.choice(WORDS, int(random.integers(2, 12)))),
            "label": ["no", "yes"][index % 2],
            "by": f"author {index // 4}",
        }
        for index in range(400)
    ]
    rows[7]["text"] = 'quoted "w1", w2\nover two lines w3'
    with (tmp_path / "t.csv").open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, ["text", "label", "by"])
        writer.writeheader()
        writer.writerows(rows)
    (tmp_path / "t.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    parquet.write_table(pyarrow.Table.from_pylist(rows), tmp_path / "t.parquet")
    return tmp_path


def task_in(folder: Path, *, seed: int = 0, **fields: object) -> Task:
    node = TextTask.model_validate(
        {"kind": "text-table", "data": "t.csv", "tokenizer": "tokenizer.json", **fields}
    )
    return build_task(node, folder=folder, seed=seed, cache=folder / "cache")


def test_csv_jsonl_and_parquet_of_the_same_rows_are_the_same_task(folder: Path) -> None:
    tasks = [task_in(folder, data=f"t.{kind}") for kind in ("csv", "jsonl", "parquet")]
    assert len({task.fingerprint for task in tasks}) == 1
    task = tasks[0]
    assert task.classes == ("no", "yes")
    assert task.padding == 0
    assert task.train.inputs.dtype == np.uint16
    ids = [set(samples.ids.tolist()) for samples in (task.train, task.validation, task.test())]
    assert set.union(*ids) == set(range(400))
    assert sum(map(len, ids)) == 400
    assert 36 <= len(ids[1]) <= 40
    assert 40 <= len(ids[2]) <= 44
    assert task.test_samples == len(ids[2])
    assert task_in(folder, seed=1).fingerprint != task.fingerprint
    assert task_in(folder, tokens=4).fingerprint != task.fingerprint


def test_splits_of_a_large_table_are_mapped_and_hold_the_same_rows(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain, mapped = task_in(folder), folder / "cache" / "data" / "mapped"
    assert not mapped.exists()
    monkeypatch.setattr(text_task, "MappedFiles", partial(MappedFiles, in_memory_bytes=100))
    large = task_in(folder)
    assert large.fingerprint == plain.fingerprint
    assert len(list(mapped.iterdir())) == 3
    for own, other in (
        (large.train, plain.train),
        (large.validation, plain.validation),
        (large.test(), plain.test()),
    ):
        np.testing.assert_array_equal(own.inputs, other.inputs)


def test_rows_of_a_group_stay_on_one_side(folder: Path) -> None:
    task = task_in(folder, group="by")
    sides = [set((s.ids // 4).tolist()) for s in (task.train, task.validation, task.test())]
    assert not sides[0] & sides[1]
    assert not sides[0] & sides[2]
    assert not sides[1] & sides[2]


@pytest.mark.parametrize("group", [None, "by"])
def test_near_duplicates_stay_on_one_side_whatever_their_group(
    folder: Path, group: str | None
) -> None:
    """150 texts of twelve words, each twice with another last word and by another author."""
    random = np.random.default_rng(2)
    rows = []
    for index in range(300):
        if index % 2 == 0:
            words = [*random.choice(WORDS[:40], 11, replace=False)]
        text = " ".join([*words, WORDS[40 + index % 20]])
        label = ["no", "yes"][index // 2 % 2]
        rows.append({"text": text, "label": label, "by": f"author {index}"})
    (folder / "twice.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    task = task_in(folder, data="twice.jsonl", group=group, test=60, validation=60)
    splits = [task.train, task.validation, task.test()]
    assert sorted(np.concatenate([samples.ids for samples in splits])) == [*range(300)]
    assert [len(samples) for samples in splits[1:]] == [60, 60]
    for samples in splits:
        assert np.bincount(samples.ids // 2, minlength=150).tolist().count(1) == 0


def test_long_texts_are_cut_and_the_shipped_tokenizer_cuts_alike(folder: Path) -> None:
    task = task_in(folder, tokens=5)
    assert task.train.inputs.shape[1] == 5
    assert task.tokenizer is not None
    shipped = Tokenizer.from_str(task.tokenizer)
    assert shipped.encode(" ".join(WORDS)).ids == [2, 3, 4, 5, 6]
    assert [len(e.ids) for e in shipped.encode_batch(["w0", "w0 w1"])] == [1, 2]


def test_near_duplicates_share_a_group_and_others_do_not() -> None:
    texts = [
        "a small dog that barks at night near the old house",
        "A small dog, that barks at night near the old house!",
        "a small dog that barks at night near the old barn house",
        "a small cat that sleeps by day",
        "",
        "?",
    ]
    groups = text_groups(texts)
    assert groups[0] == groups[1] == groups[2]
    assert len(set(groups[[0, 3, 4, 5]].tolist())) == 4
    assert text_groups(texts[::-1])[::-1].tolist() == groups.tolist()
    joined = text_groups(texts, groups=["x", "y", "z", "x", "u", "v"])
    assert joined[0] == joined[3]


def test_near_duplicates_of_a_large_table_are_found_as_by_comparing_all() -> None:
    random = np.random.default_rng(1)
    base = [[*random.choice(WORDS, 12, replace=False)] for _ in range(120)]
    changed = [[*words[:-1], "other"] for words in base]
    groups = text_groups([" ".join(words) for words in base + changed])
    same = groups[:120] == groups[120:]
    assert same.mean() > 0.98


@pytest.mark.parametrize(
    ("fields", "what"),
    [
        ({"text": "body"}, "there is no column 'body'"),
        ({"data": "absent.csv"}, "there is no file"),
        ({"data": "tokenizer.json"}, "unknown ending '.json'"),
        ({"tokenizer": "t.csv"}, "is no tokenizer.json"),
        ({"tokenizer": "no_such_package:x.json"}, "no_such_package is not installed"),
        ({"classes": ("no", "maybe")}, "the label 'yes' is none of 2 classes"),
        ({"test": 400}, "can't be held out of 400"),
        ({"test": 5, "test_data": "t.csv"}, "a file of its own is named"),
    ],
)
def test_what_can_not_be_read_is_refused_in_one_line(
    folder: Path, fields: dict[str, object], what: str
) -> None:
    with pytest.raises(InputError) as caught:
        task_in(folder, **fields)
    assert what in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("text,label\na,b,c\n", "1 more values than the header"),
        ("text,label\n", "holds no rows"),
        ("text,label\nabc,\n", "'label' is empty"),
        ('text,label\n"abc,x\n', "is no CSV"),
    ],
)
def test_a_broken_csv_is_refused(folder: Path, text: str, what: str) -> None:
    (folder / "broken.csv").write_text(text)
    with pytest.raises(InputError, match=what):
        task_in(folder, data="broken.csv")


def test_jsonl_may_begin_with_a_byte_order_mark_and_holds_no_half_characters(
    tmp_path: Path,
) -> None:
    path = tmp_path / "t.jsonl"
    path.write_bytes(b'\xef\xbb\xbf{"text": "a", "label": "x"}\n')
    assert read_table(path, text="text", label="label").texts == ("a",)
    path.write_bytes(b'{"text": "a \\ud83d", "label": "x"}\n')
    with pytest.raises(InputError, match="within a character"):
        read_table(path, text="text", label="label")


def test_a_column_named_twice_and_a_label_that_is_no_number_are_refused(tmp_path: Path) -> None:
    """The last of two columns was taken, and NaN was a class of its own."""
    table = tmp_path / "t.csv"
    table.write_text("text,label,label\na,x,y\n")
    with pytest.raises(InputError, match="names the column 'label' 2 times"):
        read_table(table, text="text", label="label")
    rows = tmp_path / "t.jsonl"
    rows.write_text('{"text": "a", "label": NaN}\n')
    with pytest.raises(InputError, match="'label' is empty"):
        read_table(rows, text="text", label="label")
