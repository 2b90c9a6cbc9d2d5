"""Tables of texts: CSV, TSV, JSONL and Parquet, a row at a time, by the names of their columns."""

from __future__ import annotations

import csv
import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from compress.errors import InputError, RuntimeMissing

FORMATS = (".csv", ".tsv", ".jsonl", ".parquet")
_LONGEST_FIELD = 1 << 24  # characters
_HALF = re.compile(r"[\ud800-\udfff]")  # of a pair of surrogates, as JSON can escape one alone


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """One entry per row, in the order of the file. groups: None where no column says it. columns:
    what else was asked for, by name; None where a row leaves it out."""

    where: str
    texts: tuple[str, ...]
    labels: tuple[str, ...]
    groups: tuple[str, ...] | None = None
    columns: Mapping[str, tuple[object, ...]] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.texts)


def read_table(
    path: Path,
    *,
    text: str,
    label: str | None,
    group: str | None = None,
    columns: Sequence[str] = (),
) -> Table:
    """The columns of a file. InputError, with the row, for one that is absent, empty or no text.

    Numbers and booleans are taken as labels and groups as they are written. With label None no
    column is read for it and every label is "".
    """
    texts: list[str] = []
    labels: list[str] = []
    groups: list[str] = []
    others: dict[str, list[object]] = {name: [] for name in columns}
    for number, row in enumerate(_rows(path), start=1):
        where = f"{path}: row {number}"
        value = _field(row, text, where)
        if not isinstance(value, str):
            raise InputError(f"{text!a} is {type(value).__name__}, not text", where=where)
        if _HALF.search(value):  # no tokenizer takes it
            cure = "write whole characters, or drop the row"
            raise InputError(f"{text!a} ends or begins within a character", where=where, cure=cure)
        texts.append(value)
        labels.append("" if label is None else _name(_field(row, label, where), label, where))
        if group is not None:
            groups.append(_name(_field(row, group, where), group, where))
        for name, known in others.items():
            known.append(_plain(row, name, where))
    if not texts:
        raise InputError("holds no rows", where=str(path))
    return Table(
        where=str(path),
        texts=tuple(texts),
        labels=tuple(labels),
        groups=None if group is None else tuple(groups),
        columns={name: tuple(values) for name, values in others.items()},
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Columns:
    """rows: the key's value -> its place in each of the columns."""

    rows: Mapping[str, int]
    columns: Mapping[str, tuple[object, ...]]


def read_columns(path: Path, *, key: str) -> Columns:
    """A table whose column `key` names what a row is about; all others are its columns.

    InputError, with the row, for one without that key, with a second row for it, or with values
    that are no plain texts or numbers.
    """
    rows: dict[str, int] = {}
    columns: dict[str, list[object]] = {}
    for number, row in enumerate(_rows(path), start=1):
        where = f"{path}: row {number}"
        name = str(_field(row, key, where))
        if name in rows:
            raise InputError(f"is a second row for {name!a}", where=where, cure="keep one")
        if number == 1:
            columns = {str(other): [] for other in row if other != key}
        rows[name] = number - 1
        for other, known in columns.items():
            known.append(_plain(row, other, where))
    return Columns(rows=rows, columns={name: tuple(v) for name, v in columns.items()})


def _rows(path: Path) -> Iterator[Mapping[str, Any]]:
    if not path.is_file():
        raise InputError(f"there is no file {path}", where="task.data", cure="check the path")
    kind = path.suffix.lower()
    try:
        if kind in (".csv", ".tsv"):
            yield from _csv_rows(path, "\t" if kind == ".tsv" else ",")
        elif kind == ".jsonl":
            yield from _json_rows(path)
        elif kind == ".parquet":
            yield from _parquet_rows(path)
        else:
            cure = f"give one of {', '.join(FORMATS)}"
            raise InputError(f"has the unknown ending {kind!a}", where=str(path), cure=cure)
    except UnicodeDecodeError as exc:
        raise InputError("is not UTF-8", where=str(path), cure="save it as UTF-8") from exc
    except OSError as exc:
        raise InputError(f"can't be read: {exc.strerror or exc}", where=str(path)) from exc


def _csv_rows(path: Path, delimiter: str) -> Iterator[Mapping[str, Any]]:
    limit = csv.field_size_limit(_LONGEST_FIELD)
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            rows = csv.DictReader(stream, delimiter=delimiter, strict=True)
            for name, times in Counter(filter(None, rows.fieldnames or ())).items():
                if times > 1:
                    what = f"its header names the column {name!a} {times} times"
                    raise InputError(what, where=str(path), cure="give each a name of its own")
            for row in rows:
                if None in row:
                    number = len(row[None])
                    raise InputError(
                        f"has {number} more values than the header names",
                        where=str(path),
                        cure="put texts with delimiters in quotes",
                    )
                yield row
    except csv.Error as exc:
        raise InputError(f"is no CSV: {exc}", where=str(path)) from exc
    finally:
        csv.field_size_limit(limit)


def _json_rows(path: Path) -> Iterator[Mapping[str, Any]]:
    with path.open(encoding="utf-8-sig") as stream:
        for number, line in enumerate(stream, start=1):
            if not line.strip():
                continue
            try:
                row = json.loads(line)
            except (ValueError, RecursionError) as exc:
                raise InputError("is no JSON", where=f"{path}:{number}") from exc
            if not isinstance(row, dict):
                raise InputError("is no JSON object", where=f"{path}:{number}")
            yield row


def _parquet_rows(path: Path) -> Iterator[Mapping[str, Any]]:
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError as exc:
        cure = "pip install 'distil[parquet]', or give CSV or JSONL"
        raise RuntimeMissing("Parquet needs pyarrow", where=str(path), cure=cure) from exc
    try:
        with parquet.ParquetFile(path) as file:
            for batch in file.iter_batches():
                yield from batch.to_pylist()
    except pyarrow.ArrowException as exc:
        raise InputError(f"is no Parquet file: {exc}", where=str(path)) from exc


def _field(row: Mapping[str, Any], name: str, where: str) -> Any:
    if name not in row:
        cure = f"its columns are {', '.join(map(str, row))}"
        raise InputError(f"there is no column {name!a}", where=where, cure=cure)
    if row[name] is None:
        raise InputError(f"{name!a} is empty", where=where, cure="fill it or drop the row")
    return row[name]


def _plain(row: Mapping[str, Any], name: str, where: str) -> object:
    """Of a column to look at samples by: it may be empty, and it may be a number."""
    if name not in row:
        return _field(row, name, where)
    value = row[name]
    if value is not None and not isinstance(value, (str, int, float, bool)):
        what = f"{name!a} is {type(value).__name__}, no plain value"
        raise InputError(what, where=where, cure="write a text or a number")
    return value


def _name(value: Any, column: str, where: str) -> str:
    known = value == value  # NaN is how tables write that there is none
    if known and isinstance(value, (str, int, float, bool)) and str(value).strip():
        return str(value).strip()
    raise InputError(f"{column!a} is empty or no plain value", where=where, cure="drop the row")
