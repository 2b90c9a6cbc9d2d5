"""The summary that ends `distil run`: fits 80 columns, and says as much without colour."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import Group, RenderableType
from rich.text import Text

from compress.report import quantities as q
from compress.report.gpu import gpu_warnings
from compress.report.outcome import outcome
from compress.report.plain_text import one_line
from compress.report.scenarios import added_rows, slice_rows, slices_sentence
from compress.report.subject_table import subject_table
from compress.report.terminal_subjects import item, new_table, subjects
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
        yield subjects(table)
        yield Text()
    if report.verdicts:
        yield _verdicts(report)
        yield Text()
    for decision in report.decisions:
        pinned = " (pinned)" if decision.pinned else ""
        yield item(decision.question, f"{decision.chosen}{pinned}; {decision.reason}")
    said = tuple(decision.reason for decision in report.decisions)
    for note in report.notes:
        if not any(reason and reason in note for reason in said):
            yield item("note", note)
    warnings = gpu_warnings(report.measured) if report.measured else ()
    for warning in warnings:
        yield item("warning", warning)
    rows = slice_rows(report)
    worse = [f"{row.name} {q.points(row.change, 1)}" for row in rows if row.status == "violated"]
    if worse:
        more = f" and {len(worse) - 3} more" if len(worse) > 3 else ""
        yield item("slices", f"{slices_sentence(report, rows)} {', '.join(worse[:3])}{more}")
    for row in added_rows(report):
        yield item(row.step, f"{row.change} of test accuracy ({row.interval})")
    if report.decisions or report.notes or warnings or worse or report.added:
        yield Text()
    found = outcome(report.verdicts)
    yield Text(found.sentence, style=_STYLES[found.status])


def _verdicts(report: Report) -> RenderableType:
    grid = new_table()
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
        lines.append(item(v.budget, f"{v.reason}{waiver}"))
    return Group(*lines)
