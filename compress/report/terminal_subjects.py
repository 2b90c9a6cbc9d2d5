"""Teacher against student on a terminal: 80 columns hold two subjects and how they compare."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from compress.report.entries import Entry, Row
from compress.report.plain_text import one_line
from compress.report.speed_rows import P50
from compress.report.subject_table import SubjectTable
from compress.report.subjects import STUDENT, TEACHER

_CONTROL_ROWS = {
    "Test accuracy": "accuracy",
    "Spearman with teacher": "Spearman",
    P50: "p50",
    "File size": "size",
}
_COLOURS = {"better": "green", "worse": "yellow", "same": ""}


def item(name: str, words: str) -> RenderableType:
    """A name in bold and what there is to say."""
    text = Text(one_line(name), style="bold")
    text.append(f": {one_line(words)}", style="not bold")
    return text


def new_table() -> Table:
    """No lines, little air."""
    return Table(box=None, pad_edge=False, padding=(0, 2, 0, 1), header_style="dim")


def subjects(table: SubjectTable) -> RenderableType:
    """A grid of the main pair, what changes of speed could be seen, and a line per control."""
    main = [s for s in (TEACHER, STUDENT) if s in table.subjects] or list(table.subjects[:1])
    controls = [s for s in table.subjects if s not in main]
    settings, common = _settings(table)
    lines: list[RenderableType] = [_grid(table, main, settings, common)]
    seen = "; ".join(_seen(table, settings))
    if seen:
        lines += [Text(), item("speed", seen)]
    if controls:
        lines.append(Text())
    for control in controls:
        lines.append(item(control, "; ".join(_control(table, control, settings))))
    return Group(*lines)


def _grid(table: SubjectTable, main: list[str], settings: dict[Row, str], common: str) -> Table:
    grid = new_table()
    grid.add_column(common, no_wrap=True)
    for subject in main:
        grid.add_column(one_line(subject), justify="right", no_wrap=True)
    if TEACHER in main:
        grid.add_column("vs teacher", justify="right", no_wrap=True)
    places = [table.subjects.index(subject) for subject in main]
    for row in table.rows:
        entries = [row.entries[place] for place in places]
        if all(entry is None for entry in entries):
            continue
        cells = [Text(entry.text if entry else "-") for entry in entries]
        last = entries[-1]
        if TEACHER in main and last is not None:
            cells.append(Text(last.change, style=_COLOURS[last.direction]))
        grid.add_row(Text(", ".join(filter(None, (row.label, settings.get(row))))), *cells)
        if row.label == P50 and any(entry and entry.floor for entry in entries):
            floors = [Text(entry.floor if entry else "", style="dim") for entry in entries]
            grid.add_row(Text("  an empty model", style="dim"), *floors)
    return grid


def _seen(table: SubjectTable, settings: dict[Row, str]) -> Iterator[str]:
    """What the comparisons of teacher and student could have shown, and where."""
    found: dict[str, list[str]] = {}
    for row in table.rows if STUDENT in table.subjects else ():
        entry = row.entries[table.subjects.index(STUDENT)]
        if entry is not None and entry.seen:
            found.setdefault(entry.seen, []).append(settings[row])
    for words, where in found.items():
        yield f"{words} ({'; '.join(where)})"


def _control(table: SubjectTable, control: str, settings: dict[Row, str]) -> Iterator[str]:
    for row in table.rows:
        name, entry = _CONTROL_ROWS.get(row.label), row.entries[table.subjects.index(control)]
        if name is None or entry is None:
            continue
        said = " ".join(filter(None, (name, settings.get(row), entry.text)))
        beside = _beside(entry)
        yield f"{said} ({beside})" if beside else said


def _beside(entry: Entry) -> str:
    floor = f"empty model: {entry.floor}" if entry.floor else ""
    return ", ".join(filter(None, (entry.change, floor)))


def _settings(table: SubjectTable) -> tuple[dict[Row, str], str]:
    """Where each row was timed, and what is common to all: that is said once, in the header."""
    timed = {r: r.detail[r.detail.index("batch") :] for r in table.rows if "batch" in r.detail}
    tails = {words.partition(", ")[2] for words in timed.values()}
    if len(tails) != 1:
        return timed, ""
    return {row: words.partition(", ")[0] for row, words in timed.items()}, tails.pop()
