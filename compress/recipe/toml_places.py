"""Where keys stand in a TOML file: tomllib gives values without places."""

from __future__ import annotations

import re

_KEY = r"""(?:[A-Za-z0-9_-]+|"[^"\n]*"|'[^'\n]*')"""
_DOTTED = rf"{_KEY}(?:\s*\.\s*{_KEY})*"
_TABLE = re.compile(rf"^(\s*)(\[\[?)\s*({_DOTTED})\s*\]\]?")
_ENTRY = re.compile(rf"(?<![^\s{{,])({_DOTTED})\s*=(?!=)")


def toml_places(text: str) -> dict[tuple[str | int, ...], tuple[int, int]]:
    """Key path -> (line, column) from 1. Text inside long strings and nested inline tables are
    read roughly: a place may be missing there, and its parent's is used."""
    found: dict[tuple[str | int, ...], tuple[int, int]] = {(): (1, 1)}
    counts: dict[tuple[str | int, ...], int] = {}
    table: tuple[str | int, ...] = ()
    for number, line in enumerate(text.splitlines(), start=1):
        if header := _TABLE.match(line):
            table = _inside(_split(header[3]), counts)
            if header[2] == "[[":
                counts[table] = counts.get(table, -1) + 1
                found.setdefault(table, (number, len(header[1]) + 1))
                table = (*table, counts[table])
            found.setdefault(table, (number, len(header[1]) + 1))
            continue
        outer: tuple[str | int, ...] = table
        for index, entry in enumerate(_ENTRY.finditer(line.split(" #", 1)[0])):
            path = (*outer, *_split(entry[1]))
            found.setdefault(path, (number, entry.start(1) + 1))
            if index == 0:
                outer = path  # the entries that follow on this line are in an inline table
    return found


def _split(dotted: str) -> tuple[str | int, ...]:
    return tuple(part.strip("\"'") for part in re.findall(_KEY, dotted))


def _inside(
    path: tuple[str | int, ...], counts: dict[tuple[str | int, ...], int]
) -> tuple[str | int, ...]:
    """`[a.b]` after `[[a]]` means the last element of a."""
    full: tuple[str | int, ...] = ()
    for index, part in enumerate(path):
        full = (*full, part)
        if full in counts and index < len(path) - 1:
            full = (*full, counts[full])
    return full
