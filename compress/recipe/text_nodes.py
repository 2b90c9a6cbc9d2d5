"""Texts with labels, from a table."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from compress.recipe.node import Node

Outputs = Literal["classes", "embeddings"]  # what the networks of a task give


class TextTask(Node):
    """A CSV, TSV, JSONL or Parquet file of texts; `source` names a known set instead of `data`.

    text, label, group: columns. Rows of one group, and near-duplicates, stay on one side of a
    split, and test rows of one group are judged as one. columns: others, whose values are slices of
    the test split. test, validation: rows held out where no file of theirs is named; 0: 10 % each.
    outputs: with embeddings no label is read; students are held against the teacher's similarities.
    """

    kind: Literal["text-table"]
    source: Literal["wordnet-glosses"] | None = None
    data: str | None = None
    validation_data: str | None = None
    test_data: str | None = None
    text: str = Field(default="text", min_length=1)
    label: str = Field(default="label", min_length=1)
    group: str | None = None
    columns: tuple[str, ...] = ()
    outputs: Outputs = "classes"
    classes: tuple[str, ...] | None = None  # in the order of the logits; default: sorted
    tokenizer: str  # a tokenizer.json beside the recipe, or package:path in an installed package
    tokens: int = Field(default=128, ge=2, le=8192)  # of a text at most; the rest is cut
    test: int = Field(default=0, ge=0)
    validation: int = Field(default=0, ge=0)
    rows: int | None = Field(default=None, ge=50)  # a part of the table, drawn by content: trials
