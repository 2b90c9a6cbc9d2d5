"""One judged gate, as every output format shows it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

from compress.gate.evidence import read_evidence
from compress.gate.gate_file import LoadedGate
from compress.gate.judge import exit_code, judge
from compress.values import Report, Status, Verdict

_ORDER: tuple[Status, ...] = ("violated", "pass", "inconclusive", "waived", "unmeasured")


@dataclass(frozen=True, slots=True, kw_only=True)
class GateResult:
    """path: the gate file as the user named it; lines: budget id -> its line there.

    name: of the run; digest: SHA-256 of the student's file, None where nothing was measured.
    """

    path: str
    name: str
    digest: str | None
    verdicts: tuple[Verdict, ...]
    lines: Mapping[str, int] = field(default_factory=dict)
    measured_at: str = ""  # of the newest report, ISO 8601

    @property
    def exit_code(self) -> int:
        return exit_code(self.verdicts)

    @property
    def counts(self) -> str:
        """3 violated, 3 pass, 0 inconclusive, 0 waived, 0 unmeasured."""
        found = Counter(verdict.status for verdict in self.verdicts)
        return ", ".join(f"{found[word]} {word}" for word in _ORDER)


def run_gate(
    gate: LoadedGate, *, load_report: Callable[[Path, bool], Report], today: date
) -> GateResult:
    """Read the evidence of a gate file and judge it. Raises what read_evidence raises."""
    evidence = read_evidence(gate, load_report=load_report)
    reports = [found.report for found in evidence]
    verdicts = judge(reports, gate.budgets, waivers=gate.waivers, today=today)
    return GateResult(
        path=str(gate.path),
        name=reports[0].name,
        digest=next((found.digest for found in evidence if found.digest), None),
        verdicts=verdicts,
        lines=gate.lines,
        measured_at=max(report.created_at for report in reports),
    )
