"""What changed from the baseline to the present student, in lines."""

from __future__ import annotations

from compress.errors import BaselineMissing
from compress.gate.baseline import BaselineState, differing, machine_of
from compress.gate.growth import growth_lines
from compress.gate.lookup import STUDENT, cell_of, quality_of
from compress.gate.wording import percent, plain, setting_text, size
from compress.values import ModelFacts, Report


def diff_lines(state: BaselineState | None, facts: ModelFacts, report: Report | None) -> list[str]:
    """Bytes, tensors, operators, answers and memory. Raises BaselineMissing where there is none."""
    if state is None or state.problem or state.stored is None:
        why = "the gate file names none" if state is None else state.problem
        cure = "`distil baseline update --reason ..` makes one"
        raise BaselineMissing(why or "only its model file is there", where="baseline", cure=cure)
    then = state.stored
    lines = [
        f"baseline {state.name}: {then.reason}",
        f"  file_bytes  {size(then.facts.size_bytes)} -> {size(facts.size_bytes)}",
        f"  params      {plain(then.facts.parameters)} -> {plain(facts.parameters)}",
        f"  macs        {_count(then.facts.macs)} -> {_count(facts.macs)}",
        f"  precision   {then.facts.precision} -> {facts.precision}",
    ]
    if then.facts.file_sha256 == facts.file_sha256:
        lines.append("  the files have the same bytes")
    else:
        lines += [f"    {line}" for line in growth_lines(then.facts, facts)]
    if report is None:
        lines.append("  nothing is measured of the student: `distil gate --measure`")
        return lines
    lines += _answers(state, report)
    other = differing(then.machine, machine_of(report))
    for cell in then.cells:
        now = cell_of(report, STUDENT, cell.setting)
        if now is not None and now.memory.peak_bytes and cell.peak_bytes:
            note = f"  ({other})" if other else ""
            peaks = f"{size(cell.peak_delta_bytes)} -> {size(now.memory.peak_delta_bytes)}"
            lines.append(f"  memory      {peaks}, {setting_text(cell.setting)}{note}")
    return lines


def _answers(state: BaselineState, report: Report) -> list[str]:
    then, now = state.stored, quality_of(report, STUDENT)
    if then is None or then.quality is None or now is None:
        return []
    same = then.data_fingerprint == report.data_fingerprint
    note = "" if same else "  (another data set: not comparable)"
    return [f"  accuracy    {percent(then.quality.accuracy)} -> {percent(now.accuracy)}{note}"]


def _count(value: int | None) -> str:
    return "unknown" if value is None else plain(value)
