"""The last release, which budgets `vs: baseline` speak of: what is kept and what is missing."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from benchmarks.values import Environment, Setting
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

    commit: of the tree that it was made in, "" outside git. history: the newest first. machine:
    where cells were measured; answered_on: where its predictions were made, None: there too.
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
    answered_on: Machine | None = None


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
    by_task: bool = False  # the gate file names a candidate and the task that it answers on

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

    @property
    def has_answers(self) -> bool:
        """Whether what is stored of its answers can be held against the candidate's."""
        if self.folder is None or self.stored is None:
            return False
        return self.by_task and bool(self.stored.predictions)


def machine_of(report: Report) -> Machine | None:
    """Of a measured report."""
    return None if report.measured is None else machine_in(report.measured.environment)


def answering_machine(report: Report) -> Machine | None:
    """Where the models of a report answered, as far as it says."""
    if report.answered_on is None:
        return machine_of(report)
    return machine_in(report.answered_on)


def machine_in(environment: Environment) -> Machine:
    """What of an environment decides times and kernels."""
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


def other_kernels(stored: Baseline, found: Machine | None) -> str:
    """Why its stored answers need not be those that its file gives on a machine; "" where they are.

    Integers saturate and round by the kernels that a CPU and a runtime have (onnxruntime issues
    6004, 26324); a float file's answers move by the last bits alone.
    """
    if stored.facts.precision == "float32":
        return ""
    return differing(stored.answered_on or stored.machine, found)


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
        slices_absent={k: v for k, v in report.slices_absent.items() if k != subject},
        fidelities=tuple(f for f in report.fidelities if subject not in (f.reference, f.candidate)),
        qualities=tuple(q for q in report.qualities if q.subject != subject),
        pairs=pairs,
        models=tuple(m for m in report.models if m.subject != subject),
    )
