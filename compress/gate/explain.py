"""One budget of a gate in full sentences."""

from __future__ import annotations

from compress.errors import InputError
from compress.gate.escape import printable
from compress.gate.result import GateResult
from compress.recipe.suggest import suggestion


def explain(result: GateResult, budget: str) -> str:
    """What was seen, what is allowed, how it was judged, and where the limit is written."""
    verdict = next((v for v in result.verdicts if v.budget == budget), None)
    if verdict is None:
        cure = suggestion(budget, [v.budget for v in result.verdicts])
        raise InputError(f"no budget {budget[:64]!r} is judged", where=result.path, cure=cure)
    line = result.lines.get(budget)
    rows = [
        f"{budget}: {verdict.metric} is {verdict.status}",
        f"  value   {verdict.observed or 'not measured'}",
        f"  limit   {verdict.limit}" + (f"  ({result.path}:{line})" if line else ""),
        f"  margin  {verdict.margin or '-'}",
        f"  how     {verdict.reason}",
    ]
    if verdict.waiver:
        rows.append(f"  waived  {verdict.waiver}")
    return "\n".join(printable(row) for row in rows) + "\n"
