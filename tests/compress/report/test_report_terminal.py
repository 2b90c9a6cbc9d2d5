"""What a person sees at the end of a run: it fits, says all once, and obeys no name."""

from __future__ import annotations

import dataclasses
import io

from rich.console import Console

from compress.report import summary_table
from compress.values import Report
from tests.compress.report.sample import plain_report, sample_report
from tests.compress.report.sample_hostile import HOSTILE, hostile_report


def _terminal(report: Report, *, width: int = 80, color: bool = False) -> str:
    console = Console(
        width=width,
        file=io.StringIO(),
        force_terminal=color,
        color_system="truecolor" if color else None,
    )
    console.print(summary_table(report))
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_the_terminal_table_fits_80_columns_without_colour() -> None:
    text = _terminal(sample_report())
    lines = text.splitlines()
    assert max(map(len, lines)) <= 80
    assert "\x1b" not in text
    assert "\u2026" not in text  # nothing is cut
    assert any(
        line.split() == ["File", "size", "2.71", "MiB", "117", "KiB", "23.7x", "smaller"]
        for line in lines
    )
    assert any(
        line.startswith("Latency p50, batch 32") and "15.5x faster" in line for line in lines
    )
    assert any(line.startswith("tiny") and line.rstrip().endswith("violated") for line in lines)
    assert lines[-1] == "1 of 6 budgets not measured, 1 violated, 1 warning"
    assert "quantize: int8;" in text


def test_the_terminal_says_what_could_be_seen_what_a_call_costs_and_what_flipped() -> None:
    lines = _terminal(sample_report()).splitlines()
    assert "speed: a change of 1.3 % could be seen (batch 1; batch 32)" in lines
    p50 = next(n for n, line in enumerate(lines) if line.startswith("Latency p50, batch 1 "))
    assert lines[p50 + 1].split() == ["an", "empty", "model", "5.20", "us"]
    assert lines[p50 + 1].index("5.20 us") > lines[0].index("teacher") + len("teacher")
    assert sum("an empty model  " in line for line in lines) == 1  # batch 32 takes longer
    flips = next(line for line in lines if line.startswith("Negative flips"))
    assert flips.split() == ["Negative", "flips", "-", "3.05", "%", "at", "most", "3.35", "%"]


def test_the_terminal_says_the_reason_of_a_decision_once() -> None:
    report = sample_report()
    reason = report.decisions[0].reason
    notes = (f"The float file is shipped: {reason}.", "3 labels are doubtful")
    said = _terminal(dataclasses.replace(report, notes=notes), width=400)
    assert said.count(reason) == 1
    assert "note: 3 labels are doubtful" in said


def test_names_from_data_are_no_terminal_commands_and_no_markup() -> None:
    report = dataclasses.replace(hostile_report(), notes=("[red]not red[/red]", HOSTILE))
    text = _terminal(report)
    assert "\x1b" not in text
    assert "[red]not red[/red]" in text


def test_a_run_without_budgets_says_so() -> None:
    assert _terminal(plain_report()).splitlines()[-1] == "No budgets: nothing was judged"
