"""One self-contained page for one or several runs: no network, no external font, no framework."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from compress.report import quantities
from compress.report.candidates import candidates_panels, overview_panels
from compress.report.charts.classes import change_of, worst_first
from compress.report.codec import map_strings
from compress.report.evidence import evidence_words
from compress.report.figures import (
    Figure,
    LatencyFigures,
    class_figure,
    latency_figures,
    size_figure,
    training_figures,
)
from compress.report.gpu import GpuSection, gpu_section
from compress.report.highlights import Highlight, highlights
from compress.report.outcome import Outcome, outcome
from compress.report.plain_text import typeset, visible
from compress.report.scenarios import (
    AddedRow,
    LedgerRow,
    MetricRow,
    SliceRow,
    added_rows,
    ledger_rows,
    metric_rows,
    slice_rows,
    slices_sentence,
)
from compress.report.search_page import SearchPage, search_page
from compress.report.subject_table import SubjectTable, subject_table
from compress.report.subjects import STUDENT, pair_of
from compress.values import ClassChange, PairedQuality, Report

_HERE = Path(__file__).parent
_TABLE_ROWS = 300  # of 1,000 classes the table shows the worst; report.json has all


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """What the template needs of one report."""

    key: str
    report: Report
    outcome: Outcome
    highlights: tuple[Highlight, ...]
    table: SubjectTable
    candidates: tuple[Figure, ...]
    search: SearchPage | None
    latency: tuple[LatencyFigures, ...]
    class_figure: Figure | None
    classes_left_out: int
    classes: tuple[ClassChange, ...]
    classes_cut: int
    pair: PairedQuality | None
    training: tuple[Figure, ...]
    sizes: Figure | None
    gpu: GpuSection | None
    slices: tuple[SliceRow, ...]
    slices_sentence: str
    slices_cut: int
    metrics: tuple[MetricRow, ...]
    ledger: tuple[LedgerRow, ...]
    added: tuple[AddedRow, ...]
    seconds: float
    slowest_seconds: float


def render_html(reports: Sequence[Report]) -> str:
    """The page as text. Several reports: an overview first, then one part per run."""
    runs = tuple(_run(report, f"run{place}") for place, report in enumerate(reports, start=1))
    script = _file("page.js")
    title = runs[0].report.name if len(runs) == 1 else f"{len(runs)} runs"
    return (
        _environment()
        .get_template("page.html")
        .render(
            title=title,
            runs=runs,
            overview=overview_panels(tuple(r.report for r in runs), key="all")
            if len(runs) > 1
            else (),
            style=Markup(_file("page.css")),
            script=Markup(script),
            script_hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
        )
    )


@cache
def _environment() -> Environment:
    """Compiled once per process."""
    environment = Environment(
        loader=FileSystemLoader(_HERE),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals.update(q=quantities, evidence_words=evidence_words, change_of=change_of)
    environment.filters["typeset"] = typeset
    environment.filters["drawn"] = Markup  # our own SVG: charts/svg.py has escaped what is in it
    return environment


def _file(name: str) -> str:
    return (_HERE / name).read_text(encoding="utf-8")


def _run(report: Report, key: str) -> Run:
    report = map_strings(report, visible)
    pair = pair_of(report, STUDENT)
    drawn = class_figure(report, key=key)
    slices = slice_rows(report)
    classes = worst_first(pair.classes) if pair else ()
    return Run(
        key=key,
        report=report,
        outcome=outcome(report.verdicts),
        highlights=highlights(report),
        table=subject_table(report),
        candidates=candidates_panels(report, key=key),
        search=search_page(report, key=key),
        latency=latency_figures(report, key=key),
        class_figure=drawn[0] if drawn else None,
        classes_left_out=drawn[1] if drawn else 0,
        classes=classes[:_TABLE_ROWS],
        classes_cut=max(0, len(classes) - _TABLE_ROWS),
        pair=pair,
        training=training_figures(report, key=key),
        sizes=size_figure(report, key=key),
        gpu=gpu_section(report.measured),
        slices=slices[:_TABLE_ROWS],
        slices_sentence=slices_sentence(report, slices),
        slices_cut=max(0, len(slices) - _TABLE_ROWS),
        metrics=metric_rows(report),
        ledger=ledger_rows(report),
        added=added_rows(report),
        seconds=sum(s.seconds for s in report.stages),
        slowest_seconds=max((s.seconds for s in report.stages), default=0.0),
    )
