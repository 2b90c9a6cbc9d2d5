"""The last release, which budgets `vs: baseline` speak of: what is kept and what is missing."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from benchmarks.values import Setting
from compress.gate.lookup import BASELINE, digest_of
from compress.values import ModelFacts, Quality, Report

Missing = Literal["fail", "warn", "seed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """What stored numbers depend on: they count only where all of it is the same."""

    cpu_model: str
    cpu_flags: tuple[str, ...]
    onnxruntime: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredCell:
    """One setting as it was measured then. p50_ms is shown, and never judged."""

    setting: Setting
    p50_ms: float
    peak_bytes: int
    peak_delta_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class BaselineChange:
    """One update: when, why, and to which file (SHA-256)."""

    updated_at: str
    reason: str
    model_sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Baseline:
    """The committed file. model, predictions: paths relative to it; "" where there is none.

    commit: of the tree that it was made in, "" outside git. history: the newest first.
    """

    schema: int
    updated_at: str  # ISO 8601, UTC
    reason: str
    commit: str
    model: str
    facts: ModelFacts
    machine: Machine | None
    data_fingerprint: str
    quality: Quality | None
    cells: tuple[StoredCell, ...]
    predictions: str
    predictions_sha256: str
    history: tuple[BaselineChange, ...]


BASELINE_SCHEMA = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class BaselineState:
    """What a gate found where it looked for its baseline.

    stored: None where there is none, and problem says why. file_sha256: of the model file that
    measurements must be of, None where nothing says it. model: where the file lies (it may be
    absent); name: for people, such as "main@1a2b3c4".
    """

    stored: Baseline | None
    file_sha256: str | None
    model: Path | None
    folder: Path | None = None  # of the store: what its `predictions` is relative to
    problem: str = ""
    missing: Missing = "fail"
    name: str = ""
    pinned: bool = False  # the second one of a gate file

    @property
    def title(self) -> str:
        """What it is called in sentences."""
        return "pinned baseline" if self.pinned else "baseline"

    @property
    def update(self) -> str:
        """The command that makes the present candidate this baseline."""
        return f"`distil baseline update {'--pinned ' if self.pinned else ''}--reason ..`"

    @property
    def has_model(self) -> bool:
        return self.model is not None and self.model.is_file()


def machine_of(report: Report) -> Machine | None:
    """Of a measured report."""
    if report.measured is None:
        return None
    environment = report.measured.environment
    return Machine(
        cpu_model=environment.cpu_model,
        cpu_flags=environment.cpu_flags,
        onnxruntime=environment.versions.get("onnxruntime", ""),
    )


def differing(stored: Machine | None, found: Machine | None) -> str:
    """Why a stored number and a measured one can't be set against each other; "" where they can."""
    if stored is None or found is None:
        return "the machine of one of them is not known"
    if stored.cpu_model != found.cpu_model:
        return f"another CPU: {stored.cpu_model} then, {found.cpu_model} now"
    if stored.cpu_flags != found.cpu_flags:
        changed = sorted(set(stored.cpu_flags) ^ set(found.cpu_flags))
        return f"another CPU: {', '.join(changed)} differ"
    if stored.onnxruntime != found.onnxruntime:
        return f"another onnxruntime: {stored.onnxruntime} then, {found.onnxruntime} now"
    return ""


def with_baseline(report: Report, state: BaselineState | None) -> Report:
    """The report with the stored facts of the baseline's file, where it has none of its own."""
    if state is None or state.stored is None or digest_of(report, BASELINE) is not None:
        return report
    facts = dataclasses.replace(state.stored.facts, subject=BASELINE)
    return dataclasses.replace(report, models=(*report.models, facts))


def without(report: Report, subject: str) -> Report:
    """The report without anything about a subject: its file was replaced since."""
    measured = report.measured
    if measured is not None:
        measured = dataclasses.replace(
            measured,
            measurements=tuple(m for m in measured.measurements if m.subject != subject),
            comparisons=tuple(
                c for c in measured.comparisons if subject not in (c.reference, c.candidate)
            ),
        )
    pairs = tuple(p for p in report.pairs if subject not in (p.reference, p.candidate))
    return dataclasses.replace(
        report,
        measured=measured,
        slices=tuple(s for s in report.slices if s.reference != subject),
        qualities=tuple(q for q in report.qualities if q.subject != subject),
        pairs=pairs,
        models=tuple(m for m in report.models if m.subject != subject),
    )
