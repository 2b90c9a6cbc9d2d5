"""The reports that a gate file names, read and held against the files that they speak of."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from compress.errors import InputError
from compress.gate.gate_file import LoadedGate
from compress.gate.judge import needs_samples
from compress.gate.lookup import STUDENT, measurement_of
from compress.values import Report
from exporters.atomic import sha256_file

MODEL_NAME = "student.onnx"


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """One report. digest: of the student's file as it was measured; None where nothing was."""

    path: Path
    report: Report
    digest: str | None


def read_evidence(
    gate: LoadedGate, *, load_report: Callable[[Path, bool], Report]
) -> tuple[Evidence, ...]:
    """Every report that the gate file names; load_report(path, with raw samples) reads one.

    Raises InputError: a report is missing or malformed, was written by a newer version, measured
    another file than the student.onnx beside it, or is of another student than the first.
    """
    samples = needs_samples(gate.budgets)
    found: list[Evidence] = []
    for source, name in zip(gate.sources, gate.gate.from_, strict=True):
        if not source.exists():
            cure = f"run `distil run recipe.yaml --out {name}`, or name another under `from:`"
            raise InputError("there is no such evidence", where=str(source), cure=cure)
        report = load_report(source, samples)
        measured = measurement_of(report, STUDENT)
        digest = measured.digest if measured is not None else None
        evidence = Evidence(path=source, report=report, digest=digest)
        _check_file(evidence)
        found.append(evidence)
    digests = {evidence.digest for evidence in found if evidence.digest is not None}
    if len(digests) > 1:
        other = next(e for e in found if e.digest not in (None, found[0].digest))
        raise InputError(
            f"is about another {MODEL_NAME} than {found[0].path}",
            where=str(other.path),
            cure="one gate file judges one student: write a second gate file",
        )
    return tuple(found)


def _check_file(evidence: Evidence) -> None:
    """A file that was replaced after it was measured has no evidence."""
    path = evidence.path
    model = (path if path.is_dir() else path.parent) / MODEL_NAME
    if evidence.digest is None or not model.is_file():
        return
    if sha256_file(model) != evidence.digest:
        raise InputError(
            "is not the file that was measured: its SHA-256 differs from the report's",
            where=str(model),
            cure="run `distil run recipe.yaml` again",
        )
