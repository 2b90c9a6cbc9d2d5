"""Small tables of texts, and changes of them, for what every task keeps."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
from tokenizers import Tokenizer, models, pre_tokenizers

from compress.recipe.nodes import TextTask

WORDS = [f"w{index}" for index in range(60)]


def text_table(folder: Path, *, classes: tuple[str, ...], train: int, test: int = 0) -> TextTask:
    """rows.csv of so many texts of twelve words, and tokenizer.json; with test rows, rows of their
    own in test.csv."""
    vocabulary = {word: index for index, word in enumerate(["[PAD]", "[UNK]", *WORDS])}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.save(str(folder / "tokenizer.json"))
    random = np.random.default_rng(0)
    for name, count in (("rows.csv", train), ("test.csv", test)):
        if count:
            rows = [
                [" ".join(random.choice(WORDS, 12, replace=False)), classes[index % len(classes)]]
                for index in range(count)
            ]
            _write(folder / name, [["text", "label"], *rows])
    return TextTask(
        kind="text-table",
        data="rows.csv",
        test_data="test.csv" if test else None,
        tokenizer="tokenizer.json",
        tokens=16,
    )


def change_text_table(folder: Path, what: str) -> None:
    """One word of a text (pixel), one label, or one row less (file)."""
    with (folder / "rows.csv").open(encoding="utf-8", newline="") as stream:
        rows = list(csv.reader(stream))
    if what == "pixel":
        first, _, rest = rows[7][0].partition(" ")
        rows[7][0] = f"{WORDS[(WORDS.index(first) + 1) % len(WORDS)]} {rest}"
    elif what == "label":
        rows[7][1] = rows[8][1]
    else:
        del rows[7]
    _write(folder / "rows.csv", rows)


def _write(path: Path, rows: list[list[str]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as stream:
        csv.writer(stream).writerows(rows)
