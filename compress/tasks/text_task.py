"""From a table of texts to a Task: split without parting near-duplicates, and tokenized once."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from compress.errors import InputError
from compress.recipe.named_files import named_file
from compress.recipe.text_nodes import TextTask
from compress.tasks.assemble import CountedTest, OnEvent, absence_notes
from compress.tasks.augment import Augmentation
from compress.tasks.checks import check_classes
from compress.tasks.columns import (
    checked_columns,
    column_of,
    columns_digest,
    group_numbers,
)
from compress.tasks.content import fingerprint
from compress.tasks.copies import found_copies
from compress.tasks.data import Samples, Task
from compress.tasks.labelled import NO_LABEL
from compress.tasks.mapped import MappedFiles, rows_of
from compress.tasks.split import (
    PART_STREAM,
    TEST_STREAM,
    VALIDATION_STREAM,
    default_validation,
    held_out,
)
from compress.tasks.text_duplicates import text_groups
from compress.tasks.text_files import Table, read_table
from compress.tasks.text_rows import tokenized
from compress.tasks.text_tokenizer import load_tokenizer
from compress.tasks.tokens import TOKEN_INPUTS
from compress.tasks.wordnet import load_wordnet

VERSION = 1  # of what is made of the same table: raise it when that changes


@dataclass(frozen=True, slots=True, kw_only=True)
class _Split:
    """Positions in the tables laid one behind the other: those in train, validation and test."""

    train: NDArray[np.int64]
    validation: NDArray[np.int64]
    test: NDArray[np.int64]


def text_task(
    node: TextTask,
    *,
    folder: Path,
    seed: int,
    cache: Path,
    data_folder: Path | None = None,
    on_event: OnEvent | None = None,
) -> Task:
    """Read, split, tokenize and fingerprint. Ids number rows: train's file, validation's, test's.

    Arguments as for build_task. Tokenized rows are kept in cache. InputError for a file, a
    tokenizer or a table that can't be trained on or judged.
    """
    path = named_file(node.tokenizer, folder=folder, where="task.tokenizer")
    tokenizer = load_tokenizer(path, tokens=node.tokens)
    tables = _tables(node, folder=folder, cache=cache, data_folder=data_folder, on_event=on_event)
    where = tables["train"].where
    texts = [text for table in tables.values() for text in table.texts]
    labelled = node.outputs == "classes"
    classes = (node.classes or tuple(sorted({*tables["train"].labels}))) if labelled else ()
    if labelled:
        check_classes(classes, where=where)
        labels = _labels(tables, classes)
    else:
        labels = np.full(len(texts), NO_LABEL, dtype=np.int64)
    split = _split(node, tables, labels, classes, seed=seed)
    rows = tokenized(texts, tokenizer, tokens=node.tokens, store=cache / "data" / "text")

    mapping = MappedFiles(folder=cache / "data" / "mapped")
    splits = {
        name: Samples(
            ids=positions,
            inputs=rows_of(rows, positions, mapping=mapping),
            labels=labels[positions],
        )
        for name, positions in (
            ("train", split.train),
            ("validation", split.validation),
            ("test", split.test),
        )
    }
    splits["test"] = _with_columns(node, splits["test"], tables, texts)
    if (
        labelled and node.rows is None and node.classes is None
    ):  # a part, or names for what may come
        _check_train(splits["train"].labels, classes, where=where)
    preprocessing = {
        "version": VERSION,
        "classes": classes,
        "padding": tokenizer.padding,
        "tokenizer": hashlib.sha256(tokenizer.text.encode()).hexdigest(),
    }
    judged = splits["test"]
    if judged.columns or judged.groups is not None:
        preprocessing["columns"] = columns_digest(judged)
    copies = found_copies(splits, where=where)
    return Task(
        name=node.source or node.kind,
        classes=classes,
        input_name=TOKEN_INPUTS[0],
        scale=1.0,
        augmentation=Augmentation(),
        fingerprint=fingerprint(splits, preprocessing=preprocessing),
        train=splits["train"],
        validation=splits["validation"],
        test=CountedTest(splits["test"], on_event=on_event),
        test_samples=len(splits["test"]),
        columns=tuple(judged.columns),
        notes=(absence_notes(splits, classes) if labelled else ()) + copies.notes,
        held_out_too=copies.in_train,
        padding=tokenizer.padding,
        tokenizer=tokenizer.text,
    )


def _tables(
    node: TextTask,
    *,
    folder: Path,
    cache: Path,
    data_folder: Path | None,
    on_event: OnEvent | None,
) -> dict[str, Table]:
    """The tables that the node names, train's first."""
    if node.source is not None:
        if node.columns:
            what, cure = f"{node.source} has no other columns", "remove task.columns"
            raise InputError(what, where="task.columns", cure=cure)
        place = folder / node.data if node.data is not None else data_folder
        return {"train": load_wordnet(folder=place, cache=cache, on_event=on_event)}
    if node.data is None:
        raise InputError(
            "neither source nor data is written",
            where="task",
            cure="name a known set (`source: wordnet-glosses`), or a CSV, JSONL or Parquet file",
        )
    label = node.label if node.outputs == "classes" else None
    named = {"train": node.data, "validation": node.validation_data, "test": node.test_data}
    judged = "test" if node.test_data is not None else "train"  # where test rows come from
    return {
        name: read_table(
            folder / file,
            text=node.text,
            label=label,
            group=node.group,
            columns=node.columns if name == judged else (),
        )
        for name, file in named.items()
        if file is not None
    }


def _with_columns(
    node: TextTask, test: Samples, tables: Mapping[str, Table], texts: Sequence[str]
) -> Samples:
    """The test split with what else the table says of its rows. texts: of all tables."""
    last = "test" if "test" in tables else "train"
    table = tables[last]
    first = len(texts) - len(table) if last == "test" else 0
    rows = test.ids - first
    columns = {name: column_of(values)[rows] for name, values in table.columns.items()}
    groups = None
    if node.group is not None and table.groups is not None:
        groups = group_numbers(table.groups)[rows]
    return replace(
        test,
        columns=checked_columns(columns, samples=len(test), where="task.columns"),
        groups=groups,
        texts=tuple(texts[at] for at in test.ids),
    )


def _labels(tables: Mapping[str, Table], classes: tuple[str, ...]) -> NDArray[np.int64]:
    numbers = {name: number for number, name in enumerate(classes)}
    found: list[int] = []
    for table in tables.values():
        for row, label in enumerate(table.labels, start=1):
            if label not in numbers:
                raise InputError(
                    f"the label {label!a} is none of {len(classes)} classes",
                    where=f"{table.where}: row {row}",
                    cure="correct it, or name all classes in task.classes",
                )
            found.append(numbers[label])
    return np.array(found, dtype=np.int64)


def _split(
    node: TextTask,
    tables: Mapping[str, Table],
    labels: NDArray[np.int64],
    classes: tuple[str, ...],
    *,
    seed: int,
) -> _Split:
    counts = [
        len(tables[name]) if name in tables else 0 for name in ("train", "validation", "test")
    ]
    ends = np.cumsum(counts)
    free = np.arange(ends[0])
    validation, test = np.arange(ends[0], ends[1]), np.arange(ends[1], ends[2])
    for name, count in (("validation", node.validation), ("test", node.test)):
        if name in tables and count:
            what = f"{count} rows of train are asked for, and a file of its own is named"
            raise InputError(what, where=f"task.{name}", cure="remove one of them")
    table = tables["train"]
    contents = text_groups(table.texts, groups=table.groups)
    if node.rows is not None and node.rows < len(free):
        free = free[held_out(contents, node.rows, seed=seed, stream=PART_STREAM)]
    if "test" not in tables:
        free, test = _hold_out(free, contents, node.test, seed, TEST_STREAM, "task.test")
    if "validation" not in tables:
        free, validation = _hold_out(
            free, contents, node.validation, seed, VALIDATION_STREAM, "task.validation"
        )
    return _Split(train=free, validation=validation, test=test)


def _hold_out(
    free: NDArray[np.int64],
    contents: NDArray[np.uint64],
    count: int,
    seed: int,
    stream: int,
    where: str,
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """(left, held out), groups whole. InputError when nothing is left to train on."""
    wanted = count or default_validation(len(free))
    held = held_out(contents[free], wanted, seed=seed, stream=stream)
    if wanted >= len(free) or held.all():
        raise InputError(
            f"{wanted} rows can't be held out of {len(free)}",
            where=where,
            cure="ask for fewer, or give more rows that differ",
        )
    return free[~held], free[held]


def _check_train(labels: NDArray[np.int64], classes: tuple[str, ...], *, where: str) -> None:
    counts = np.bincount(labels, minlength=len(classes))
    if (counts == 0).any():
        absent = classes[int(np.argmax(counts == 0))]
        raise InputError(
            f"no row of class {absent} is left to train on after the split",
            where=where,
            cure="add rows of it, or hold out fewer",
        )
