"""The summary that ends `distil run`: fits 80 columns, and says as much without colour."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from compress.report import quantities as q
from compress.report.outcome import outcome
from compress.report.plain_text import one_line
from compress.report.scenarios import added_rows, slice_rows, slices_sentence
from compress.report.subjects import STUDENT, TEACHER, Row, SubjectTable, subject_table
from compress.values import Report, Status

_STYLES: dict[Status | None, str] = {
    "pass": "bold green",
    "violated": "bold red",
    "unmeasured": "bold red",
    "inconclusive": "bold yellow",
    "waived": "bold blue",
    None: "bold",
}


def summary_table(report: Report) -> RenderableType:
    """Teacher against student, the verdict of each budget, then decisions and notes."""
    return Group(*_parts(report))


def _parts(report: Report) -> Iterator[RenderableType]:
    table = subject_table(report)
    if table.rows:
        yield _subjects(table)
        yield Text()
    if report.verdicts:
        yield _verdicts(report)
        yield Text()
    for decision in report.decisions:
        pinned = " (pinned)" if decision.pinned else ""
        yield _item(decision.question, f"{decision.chosen}{pinned}; {decision.reason}")
    said = tuple(decision.reason for decision in report.decisions)
    for note in report.notes:
        if not any(reason and reason in note for reason in said):
            yield _item("note", note)
    rows = slice_rows(report)
    worse = [f"{row.name} {q.points(row.change, 1)}" for row in rows if row.status == "violated"]
    if worse:
        more = f" and {len(worse) - 3} more" if len(worse) > 3 else ""
        yield _item("slices", f"{slices_sentence(report, rows)} {', '.join(worse[:3])}{more}")
    for row in added_rows(report):
        yield _item(row.step, f"{row.change} of test accuracy ({row.interval})")
    if report.decisions or report.notes or worse or report.added:
        yield Text()
    found = outcome(report.verdicts)
    yield Text(found.sentence, style=_STYLES[found.status])


def _item(name: str, words: str) -> RenderableType:
    text = Text(one_line(name), style="bold")
    text.append(f": {one_line(words)}", style="not bold")
    return text


def _new_table() -> Table:
    return Table(box=None, pad_edge=False, padding=(0, 2, 0, 1), header_style="dim")


def _subjects(table: SubjectTable) -> RenderableType:
    """The main pair and how they compare; control rows below, since 80 columns hold no more."""
    main = [s for s in (TEACHER, STUDENT) if s in table.subjects] or list(table.subjects[:1])
    controls = [s for s in table.subjects if s not in main]
    settings, common = _settings(table)
    grid = _new_table()
    grid.add_column(common, no_wrap=True)
    for subject in main:
        grid.add_column(one_line(subject), justify="right", no_wrap=True)
    if TEACHER in main:
        grid.add_column("vs teacher", justify="right", no_wrap=True)
    for row in table.rows:
        places = [table.subjects.index(s) for s in main]
        entries = [row.entries[p] for p in places]
        if all(e is None for e in entries):
            continue
        cells = [Text(e.text if e else "-") for e in entries]
        if TEACHER in main:
            last = entries[-1]
            cells.append(Text(last.change if last else "", style=_change_style(row, places[-1])))
        grid.add_row(Text(", ".join(filter(None, (row.label, settings.get(row))))), *cells)
    lines: list[RenderableType] = [grid]
    if controls:
        lines.append(Text())
    for control in controls:
        place = table.subjects.index(control)
        said = [
            " ".join(filter(None, (name, settings.get(row), entry.text)))
            + (f" ({entry.change})" if entry.change else "")
            for row in table.rows
            if (name := _CONTROL_ROWS.get(row.label)) and (entry := row.entries[place])
        ]
        lines.append(_item(control, "; ".join(said)))
    return Group(*lines)


_CONTROL_ROWS = {
    "Test accuracy": "accuracy",
    "Spearman with teacher": "Spearman",
    "Latency p50": "p50",
    "File size": "size",
}


def _change_style(row: Row, place: int) -> str:
    entry = row.entries[place]
    direction = entry.direction if entry else "same"
    return {"better": "green", "worse": "yellow", "same": ""}[direction]


def _settings(table: SubjectTable) -> tuple[dict[Row, str], str]:
    """Where each row was timed, and what is common to all: that is said once, in the header."""
    timed = {r: r.detail[r.detail.index("batch") :] for r in table.rows if "batch" in r.detail}
    tails = {words.partition(", ")[2] for words in timed.values()}
    if len(tails) != 1:
        return timed, ""
    return {row: words.partition(", ")[0] for row, words in timed.items()}, tails.pop()


def _verdicts(report: Report) -> RenderableType:
    grid = _new_table()
    for name, justify in (("budget", "left"), ("observed", "right"), ("limit", "right")):
        grid.add_column(name, justify=justify, overflow="fold")  # type: ignore[arg-type]
    grid.add_column("margin", justify="right", overflow="fold")
    grid.add_column("verdict", no_wrap=True)
    for v in report.verdicts:
        level = "" if v.level == "error" else f" ({v.level})"
        grid.add_row(
            Text(one_line(v.budget)),
            Text(one_line(v.observed) or "-"),
            Text(one_line(v.limit)),
            Text(one_line(v.margin) or "-"),
            Text.assemble((v.status, _STYLES[v.status]), level),
        )
    lines: list[RenderableType] = [grid]
    open_ones = [v for v in report.verdicts if v.status != "pass"]
    if open_ones:
        lines.append(Text())
    for v in open_ones:
        waiver = f"; waived {v.waiver}" if v.waiver else ""
        lines.append(_item(v.budget, f"{v.reason}{waiver}"))
    return Group(*lines)
