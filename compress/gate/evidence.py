"""The reports that a gate file names, read and held against the files that they speak of."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from compress.errors import InputError
from compress.gate.baseline import BaselineState, without
from compress.gate.gate_file import LoadedGate
from compress.gate.judge import needs_samples
from compress.gate.lookup import BASELINE, STUDENT, TEACHER, digest_of, model_of
from compress.gate.pytest_benchmark import read_benchmarks
from compress.values import REPORT_VERSION, Report
from exporters.atomic import sha256_file

MODEL_NAME = "student.onnx"
REPORT_NAME = "report.json"

LoadReport = Callable[[Path, bool], Report]  # (run folder or file, with raw samples)


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """One report. digest: of the student's file as it was measured; None where nothing was."""

    path: Path
    report: Report
    digest: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Collected:
    """All evidence that counts; notes say what was set aside and why."""

    evidence: tuple[Evidence, ...]
    notes: tuple[str, ...] = ()

    @property
    def reports(self) -> tuple[Report, ...]:
        return tuple(found.report for found in self.evidence)


def read_evidence(
    gate: LoadedGate,
    *,
    load_report: LoadReport,
    baseline: BaselineState | None = None,
    today: date | None = None,
) -> Collected:
    """Every report that the gate file names, and what `--measure` kept.

    What speaks of another file than the candidate, teacher or baseline that the gate file names, or
    is older than its `max_age`, is set aside. Raises InputError: a report is missing or malformed,
    was written by a newer version, measured another file than the student.onnx beside it, or,
    where no candidate is named, is of another student than the first.
    """
    samples = needs_samples(gate.budgets)
    candidate = None if gate.candidate is None else sha256_file(gate.candidate)
    found: list[Evidence] = []
    notes: list[str] = []
    for evidence in _all(gate, load_report, samples):
        too_old = _age(evidence.report, gate.gate.max_age, today)
        if too_old:
            notes.append(f"{_short(gate, evidence.path)} is set aside: {too_old}")
            continue
        if candidate is not None and not _is_of(evidence.report, STUDENT, candidate):
            where = _short(gate, evidence.path)
            notes.append(f"{where} is set aside: it is about another {gate.gate.candidate}")
            continue
        current, stale = _current(evidence.report, gate, baseline)
        notes += [f"{_short(gate, evidence.path)}: {what}" for what in stale]
        found.append(dataclasses.replace(evidence, report=current))
    if candidate is None:
        _one_student(found)
    return Collected(evidence=tuple(found), notes=tuple(notes))


def _all(gate: LoadedGate, load_report: LoadReport, samples: bool) -> list[Evidence]:
    found = []
    for source in gate.sources:
        if not source.exists():
            shown = _short(gate, source)
            cure = f"run `distil run recipe.yaml --out {shown}`, or name another under `from:`"
            raise InputError("there is no such evidence", where=str(source), cure=cure)
        report = load_report(source, samples)
        evidence = Evidence(path=source, report=report, digest=digest_of(report, STUDENT))
        if gate.candidate is None:  # else what is about another file is set aside
            _check_file(evidence)
        found.append(evidence)
    for node in gate.benchmarks:
        report = read_benchmarks(node, folder=gate.folder)
        path = gate.folder / node.pytest_benchmark[0]
        found.append(Evidence(path=path, report=report, digest=None))
    kept = gate.measured / REPORT_NAME
    if gate.candidate is not None and kept.is_file():
        report = load_report(kept, samples)
        found.append(Evidence(path=kept, report=report, digest=digest_of(report, STUDENT)))
    return found


def _is_of(report: Report, subject: str, sha256: str) -> bool:
    """Whether it is about the file of this digest. Reports without one (pytest-benchmark) are."""
    facts = model_of(report, subject)
    known = facts.file_sha256 if facts is not None else digest_of(report, subject)
    return known is None or known == sha256


def _current(
    report: Report, gate: LoadedGate, baseline: BaselineState | None
) -> tuple[Report, list[str]]:
    """The report without what it says of a teacher or baseline that was replaced since."""
    notes = []
    if gate.teacher is not None and gate.teacher.is_file():
        digest = digest_of(report, TEACHER)
        if digest is not None and not _is_of(report, TEACHER, sha256_file(gate.teacher)):
            report = without(report, TEACHER)
            notes.append("the teacher was replaced since")
    expected = None if baseline is None else baseline.file_sha256
    if digest_of(report, BASELINE) is not None and (
        expected is None or not _is_of(report, BASELINE, expected)
    ):
        report = without(report, BASELINE)
        notes.append("its baseline is another one")
    return report, notes


def _age(report: Report, max_age: str | None, today: date | None) -> str:
    if max_age is None or today is None:
        return ""
    try:
        days = (today - date.fromisoformat(report.created_at[:10])).days
    except ValueError:
        return "it does not say when it was measured"
    return f"it is {days} days old" if days > int(max_age[:-1]) else ""


def _one_student(found: list[Evidence]) -> None:
    digests = {evidence.digest for evidence in found if evidence.digest is not None}
    if len(digests) > 1:
        first = next(e for e in found if e.digest is not None)
        other = next(e for e in found if e.digest not in (None, first.digest))
        raise InputError(
            f"is about another {MODEL_NAME} than {first.path}",
            where=str(other.path),
            cure="one gate file judges one student: write a second gate file",
        )


def _check_file(evidence: Evidence) -> None:
    """A file that was replaced after it was measured has no evidence."""
    path = evidence.path
    model = (path if path.is_dir() else path.parent) / MODEL_NAME
    if evidence.digest is None or not model.is_file():
        return
    if not _is_of(evidence.report, STUDENT, sha256_file(model)):
        raise InputError(
            "is not the file that was measured: its SHA-256 differs from the report's",
            where=str(model),
            cure="run `distil run recipe.yaml` again",
        )


def _short(gate: LoadedGate, path: Path) -> str:
    """Relative to the gate file, as the user wrote it."""
    return str(path.relative_to(gate.folder)) if path.is_relative_to(gate.folder) else str(path)


def empty_report(name: str) -> Report:
    """A report that holds nothing: every budget on it is unmeasured."""
    return Report(
        version=REPORT_VERSION,
        name=name,
        created_at="",
        recipe_digest="",
        recipe_text="",
        task="",
        classes=(),
        class_counts={},
        data_fingerprint="",
        seed=0,
        versions={},
        stages=(),
        decisions=(),
        history=None,
        control_history=None,
        export=None,
        sizes=(),
        measured=None,
        qualities=(),
        pairs=(),
        verdicts=(),
    )
