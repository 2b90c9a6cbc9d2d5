"""A judged gate as text, JSON, JUnit XML, Markdown, and GitHub workflow commands. Pure."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from types import MappingProxyType
from typing import Literal, assert_never

from compress.gate.escape import github_data, github_property, markdown, printable, xml
from compress.gate.result import GateResult
from compress.values import Verdict

FORMAT_VERSION = 1
MARKDOWN_BYTES = 60_000  # a comment on GitHub holds 65,536 characters


def text(result: GateResult) -> str:
    """A plain table and the counts, for a terminal or a log."""
    head = ("BUDGET", "VALUE", "LIMIT", "MARGIN", "VERDICT")
    cells = [head, *(_cells(verdict) for verdict in result.verdicts)]
    rows = [tuple(printable(cell) for cell in row) for row in cells]
    widths = [max(len(row[column]) for row in rows) for column in range(len(head))]
    lines = [f"distil gate - {_subject(result)}"]
    lines += [f"  {printable(line)}" for line in (result.baseline, *result.notes) if line]
    for row in rows:
        padded = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        lines.append(f"  {'  '.join(padded)}".rstrip())
    lines += [f"  {printable(line)}" for line in _reasons(result)]
    worst = next((v for v in result.verdicts if v.status not in ("pass", "waived")), None)
    more = f"  Explain: distil gate --explain {printable(worst.budget)}" if worst else ""
    lines.append(f"{result.counts}.{more}")
    return "\n".join(lines) + "\n"


def _subject(result: GateResult) -> str:
    digest = f" (sha256 {result.digest[:8]}..)" if result.digest else ""
    name = f"{printable(result.name)}: {printable(result.candidate)}"
    return f"{name}{digest}, by {printable(result.path)}"


def _cells(verdict: Verdict) -> tuple[str, str, str, str, str]:
    word: str = verdict.status
    if verdict.level == "warn" and verdict.status not in ("pass", "waived"):
        word += " (warning)"
    return verdict.budget, verdict.observed or "-", verdict.limit, verdict.margin or "-", word


def _reasons(result: GateResult) -> list[str]:
    """How it was judged, one line each; a waiver says until when and why."""
    return [
        f"{verdict.budget}: {verdict.reason}"
        + (f"; waived {verdict.waiver}" if verdict.waiver else "")
        for verdict in result.verdicts
    ]


def as_json(result: GateResult) -> str:
    """Every verdict in full, the exit code, and the command that judges again."""
    return (
        json.dumps(
            {
                "schema": FORMAT_VERSION,
                "gate": result.path,
                "name": result.name,
                "student": result.candidate,
                "student_sha256": result.digest,
                "baseline": result.baseline,
                "notes": list(result.notes),
                "error": None,
                "measured_at": result.measured_at,
                "exit_code": result.exit_code,
                "command": f"distil gate {shlex.quote(str(result.path))}",
                "verdicts": [
                    {**asdict(verdict), "line": result.lines.get(verdict.budget)}
                    for verdict in result.verdicts
                ],
            },
            indent=2,
            allow_nan=False,
        )
        + "\n"
    )


def junit(result: GateResult) -> str:
    """One suite; violated is a failure, unmeasured an error, inconclusive and waived skipped.

    A violated budget of level `warn` is skipped too: it fails nothing. Each slice of a budget per
    slice is a case of its own.
    """
    cases = [case for verdict in result.verdicts for case in (verdict, *_slices(verdict))]
    kinds = [_junit_kind(verdict) for verdict in cases]
    name = xml(f"distil.gate.{result.name}")
    lines = [
        '<?xml version="1.0" encoding="UTF-8"?>',
        f'<testsuites tests="{len(kinds)}" failures="{kinds.count("failure")}"'
        f' errors="{kinds.count("error")}" skipped="{kinds.count("skipped")}">',
        f'  <testsuite name="{name}" tests="{len(kinds)}" failures="{kinds.count("failure")}"'
        f' errors="{kinds.count("error")}" skipped="{kinds.count("skipped")}">',
    ]
    for verdict, kind in zip(cases, kinds, strict=True):
        lines.append(f'    <testcase name="{xml(verdict.budget)}" classname="{name}">')
        values = {
            "metric": verdict.metric,
            "observed": verdict.observed,
            "limit": verdict.limit,
            "margin": verdict.margin,
            "status": verdict.status,
            "level": verdict.level,
        }
        lines.append("      <properties>")
        lines += [
            f'        <property name="{key}" value="{xml(value)}"/>'
            for key, value in values.items()
        ]
        lines.append("      </properties>")
        if kind is not None:
            message = xml(_message(verdict))
            extra = "" if kind == "skipped" else ' type="budget"'
            lines.append(f'      <{kind} message="{message}"{extra}/>')
        lines.append("    </testcase>")
    lines += ["  </testsuite>", "</testsuites>"]
    return "\n".join(lines) + "\n"


def _slices(verdict: Verdict) -> list[Verdict]:
    """The slices of a budget as if each had its own; a warning fails nothing."""
    return [
        replace(
            verdict,
            budget=f"{verdict.budget}[{part.name}]",
            status=verdict.status
            if verdict.status == "waived" and part.status == "violated"
            else part.status,
            observed=part.observed,
            margin="",
            reason=part.reason,
            level="warn" if part.warning else verdict.level,
            parts=(),
        )
        for part in verdict.parts
    ]


def _junit_kind(verdict: Verdict) -> Literal["failure", "error", "skipped"] | None:
    match verdict.status:
        case "pass":
            return None
        case "violated":
            return "failure" if verdict.level == "error" else "skipped"
        case "unmeasured":
            return "error"
        case "inconclusive" | "waived":
            return "skipped"
        case _:
            assert_never(verdict.status)


def _message(verdict: Verdict) -> str:
    seen = f"{verdict.observed}, limit {verdict.limit}" if verdict.observed else verdict.limit
    waiver = f"; waived {verdict.waiver}" if verdict.waiver else ""
    return f"{verdict.status}: {seen}; {verdict.reason}{waiver}"


def marker(path: str) -> str:
    """A comment that a bot finds its earlier comment by: the same for every run of a gate file."""
    name = path.replace("\\", "/").removeprefix("./")
    return f"<!-- distil-gate:{''.join(c if c.isalnum() or c in '._' else '_' for c in name)} -->"


def as_markdown(result: GateResult) -> str:
    """A comment body: a marker to find it again by, a table, below 60,000 bytes."""
    head = [
        marker(result.path),
        f"### distil gate: {markdown(result.name)}",
        "",
        f"{result.counts}.",
        "",
        *(f"{markdown(_short(line))}  " for line in (result.baseline, *result.notes[:20]) if line),
        *([""] if result.baseline or result.notes else []),
        "| budget | value | limit | margin | verdict | how |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    rows = []
    for verdict in result.verdicts:
        how = f"{verdict.reason}; waived {verdict.waiver}" if verdict.waiver else verdict.reason
        cells = " | ".join(markdown(_short(cell)) for cell in (*_cells(verdict), how))
        rows.append(f"| {cells} |")
    while rows:
        left = len(result.verdicts) - len(rows)
        tail = ["", f"{left} more are left out here; `--format json` has all."] if left else []
        body = "\n".join([*head, *rows, *tail]) + "\n"
        if len(body.encode("utf-8")) < MARKDOWN_BYTES:
            return body
        rows = rows[: len(rows) * 9 // 10]
    return "\n".join(head) + "\n"


def _short(cell: str) -> str:
    return cell if len(cell) <= 500 else f"{cell[:497]}..."


def github(result: GateResult) -> str:
    """Annotations at the budgets' lines in the gate file; nothing for a pass."""
    lines = []
    for verdict in result.verdicts:
        if verdict.status == "pass":
            continue
        place = (
            f"file={github_property(result.path)},line={result.lines.get(verdict.budget, 1)},"
            f"title={github_property(verdict.budget)}"
        )
        lines.append(f"::{_severity(verdict)} {place}::{github_data(_message(verdict))}")
    return "".join(f"{line}\n" for line in lines)


def _severity(verdict: Verdict) -> Literal["error", "warning", "notice"]:
    match verdict.status:
        case "unmeasured":
            return "error"
        case "violated":
            return "error" if verdict.level == "error" else "warning"
        case "inconclusive":
            fails = verdict.level == "error" and verdict.on_inconclusive == "fail"
            return "error" if fails else "warning"
        case _:
            return "notice"


FORMATS: Mapping[str, Callable[[GateResult], str]] = MappingProxyType(
    {
        "text": text,
        "json": as_json,
        "junit": junit,
        "markdown": as_markdown,
        "github": github,
    }
)


def render(result: GateResult, name: str) -> str:
    """The gate in one of FORMATS. KeyError for any other name."""
    return FORMATS[name](result)
