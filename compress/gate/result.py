"""One judged gate, as every output format shows it."""

from __future__ import annotations

import dataclasses
import shlex
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date

from compress.gate.amend import ratchet_limits
from compress.gate.baseline import BaselineState, differing, machine_of, with_baseline
from compress.gate.evidence import Collected, LoadReport, empty_report, read_evidence
from compress.gate.exact_rules import exact_value
from compress.gate.gate_file import LoadedGate
from compress.gate.judge import exit_code, judge, timed_budgets
from compress.gate.latency_rules import LONGER, QUIETER
from compress.values import Report, Status, Verdict

_ORDER: tuple[Status, ...] = ("violated", "pass", "inconclusive", "waived", "unmeasured")

FindBaseline = Callable[[LoadedGate], BaselineState | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class GateResult:
    """path: the gate file as the user named it; lines: budget id -> its line there.

    name: of the run; digest: SHA-256 of the student's file, None where nothing was measured.
    candidate: the judged file's name; baseline: in words, "" where none is asked for.
    """

    path: str
    name: str
    digest: str | None
    verdicts: tuple[Verdict, ...]
    lines: Mapping[str, int] = field(default_factory=dict)
    measured_at: str = ""  # of the newest report, ISO 8601
    candidate: str = "student.onnx"
    baseline: str = ""
    notes: tuple[str, ...] = ()
    reports: tuple[Report, ...] = ()

    @property
    def exit_code(self) -> int:
        return exit_code(self.verdicts)

    @property
    def counts(self) -> str:
        """3 violated, 3 pass, 0 inconclusive, 0 waived, 0 unmeasured."""
        found = Counter(verdict.status for verdict in self.verdicts)
        return ", ".join(f"{found[word]} {word}" for word in _ORDER)


def no_baseline_store(gate: LoadedGate) -> BaselineState | None:
    """For callers that keep no baseline: budgets on one say that there is none."""
    return None


def run_gate(
    gate: LoadedGate,
    *,
    load_report: LoadReport,
    today: date,
    find_baseline: FindBaseline = no_baseline_store,
) -> GateResult:
    """Read the evidence of a gate file and judge it. Raises what read_evidence raises."""
    parts = run_parts(gate, load_report=load_report, today=today, find_baseline=find_baseline)
    return _together(gate, [result for _, result in parts])


def run_parts(
    gate: LoadedGate, *, load_report: LoadReport, today: date, find_baseline: FindBaseline
) -> tuple[tuple[LoadedGate, GateResult], ...]:
    """Each part of the gate by itself: its reports know one baseline."""
    tests = timed_budgets(gate.budgets)
    found = []
    for part in gate.parts():
        state = find_baseline(part)
        collected = read_evidence(part, load_report=load_report, baseline=state, today=today)
        found.append((part, judge_collected(part, collected, state, today=today, tests=tests)))
    return tuple(found)


def _together(gate: LoadedGate, results: Sequence[GateResult]) -> GateResult:
    """The verdicts of all parts in the order of the file."""
    order = [budget.id for budget in gate.budgets]
    verdicts = [verdict for result in results for verdict in result.verdicts]
    return dataclasses.replace(
        results[0],
        digest=next((result.digest for result in results if result.digest), None),
        verdicts=tuple(sorted(verdicts, key=lambda verdict: order.index(verdict.budget))),
        measured_at=max(result.measured_at for result in results),
        baseline=", ".join(result.baseline for result in results if result.baseline),
        notes=tuple(dict.fromkeys(note for result in results for note in result.notes)),
        reports=tuple(report for result in results for report in result.reports),
    )


def exact_values(gate: LoadedGate, reports: Sequence[Report]) -> dict[str, float]:
    """Budget id -> the worst number among the reports, in the limit's unit, where it is exact."""
    return {
        budget.id: max(found)
        for budget in gate.budgets
        if (found := [v for r in reports if (v := exact_value(r, budget)) is not None])
    }


def _room_notes(gate: LoadedGate, reports: Sequence[Report]) -> tuple[str, ...]:
    """Of budgets with `ratchet: true`: what the command would tighten them to."""
    marked = [budget.id for budget in gate.budgets if budget.ratchet and budget.level != "off"]
    limits = ratchet_limits(gate, exact_values(gate, reports), marked) if marked else {}
    return tuple(
        f"{name} has room: `distil gate ratchet` would write {field}: {text}"
        for name, (field, text) in limits.items()
    )


def judge_collected(
    gate: LoadedGate,
    collected: Collected,
    state: BaselineState | None,
    *,
    today: date,
    tests: int | None = None,
) -> GateResult:
    """Evidence that was read to verdicts. tests: as judge takes it."""
    reports = collected.reports
    name = reports[0].name if reports else (gate.candidate.stem if gate.candidate else "gate")
    verdicts = judge(
        reports or (empty_report(name),),
        gate.budgets,
        waivers=gate.waivers,
        today=today,
        baseline=state,
        tests=tests,
    )
    known = tuple(with_baseline(report, state) for report in reports)
    return GateResult(
        path=str(gate.path),
        name=name,
        digest=next((found.digest for found in collected.evidence if found.digest), None),
        verdicts=tuple(_curable(verdict, gate) for verdict in verdicts),
        lines=gate.lines,
        measured_at=max((report.created_at for report in reports), default=""),
        candidate="student.onnx" if gate.candidate is None else gate.candidate.name,
        baseline=_baseline_text(collected, state, today),
        notes=(*collected.notes, *_room_notes(gate, known)),
        reports=known,
    )


def _curable(verdict: Verdict, gate: LoadedGate) -> Verdict:
    """Where the models are named, the cure of what is missing or too noisy is to measure them."""
    if gate.candidate is None or verdict.metric.startswith("parity."):
        return verdict
    command = f"`distil gate {shlex.quote(str(gate.path))} --measure"
    if verdict.missing == "measurement":
        why = verdict.reason.partition("; ")[0]
        return dataclasses.replace(verdict, reason=f"{why}; run {command}`")
    again = f"run {command} --fresh` when less else runs, or move the limit"
    reason = verdict.reason.replace(LONGER, again).replace(QUIETER, again)
    return dataclasses.replace(verdict, reason=reason)


def _baseline_text(collected: Collected, state: BaselineState | None, today: date) -> str:
    """baseline main@1a2b3c (2 days old, same CPU model: yes)."""
    if state is None:
        return ""
    if state.problem:
        return f"no {state.title} ({state.missing})"
    facts = []
    if state.stored is not None:
        try:
            days = (today - date.fromisoformat(state.stored.updated_at[:10])).days
            facts.append(f"{days} days old" if days != 1 else "1 day old")
        except ValueError:
            pass
        found = next((machine_of(r) for r in collected.reports if r.measured is not None), None)
        if state.stored.machine is not None and found is not None:
            other = differing(state.stored.machine, found)
            facts.append(other or "measured on the same machine and runtime")
    if not state.has_model:
        facts.append("its model file is absent")
    return f"{state.title} {state.name}" + (f" ({', '.join(facts)})" if facts else "")
