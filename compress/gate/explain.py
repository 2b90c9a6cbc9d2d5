"""One budget of a gate in full sentences: what was seen, what grew, and what to try."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from compress.errors import InputError
from compress.gate.escape import printable
from compress.gate.growth import growth_lines, largest_lines
from compress.gate.lookup import BASELINE, STUDENT, TEACHER, pair_of
from compress.gate.result import GateResult
from compress.gate.wording import percent, points, signed
from compress.recipe.suggest import suggestion
from compress.values import ModelFacts, Report, Verdict

_SIZES = ("file_bytes", "params", "macs")
_ANSWERS = ("accuracy", "agreement", "negative_flip_rate")
_TRIES: Mapping[str, tuple[str, ...]] = {
    "file_bytes": (
        "`distil run recipe.yaml --set quantize.kind=auto`, or a smaller student",
        "`distil inspect BEFORE.onnx AFTER.onnx` lists every tensor and operator",
    ),
    "params": ("a narrower or shallower student in the recipe",),
    "macs": ("fewer channels or an earlier stride in the student",),
    "latency": (
        "`distil inspect BEFORE.onnx AFTER.onnx`: an operator that came, or a fusion that was lost",
        "`distil run recipe.yaml --set quantize.kind=auto`, or a smaller student",
    ),
    "throughput": ("as for latency; or a larger batch in `bench` and in the budget",),
    "memory": ("a smaller batch or a narrower student: activations take most of it",),
    "cold_start": ("a smaller file: session creation follows its bytes and its nodes",),
    "parity": ("`distil export` with a newer opset; `--debug` names the operator that differs",),
    "accuracy": (
        "more epochs, another `distill.loss`, or a wider student",
        "`distil run recipe.yaml --set 'quantize={kind: none}'` to see what int8 costs",
    ),
    "agreement": ("more weight on the teacher in `distill.loss`",),
    "negative_flip_rate": ("distil from the released model, so that its right answers are kept",),
}


def explain(
    result: GateResult, budget: str, *, models: Mapping[str, ModelFacts] | None = None
) -> str:
    """What was seen, what is allowed, how it was judged, what grew since, and what to try.

    models: facts of subjects that no report holds. InputError where no such budget is judged.
    """
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
    known = {f.subject: f for report in result.reports for f in report.models} | dict(models or {})
    if verdict.metric in _SIZES or verdict.metric.startswith("latency"):
        rows += _contents(verdict, known)
    if verdict.metric in _ANSWERS:
        rows += _classes(result.reports)
    if verdict.status in ("violated", "inconclusive"):
        rows += _tries(result, verdict)
    return "\n".join(printable(row) for row in rows) + "\n"


def _contents(verdict: Verdict, known: Mapping[str, ModelFacts]) -> list[str]:
    student = known.get(STUDENT)
    rows: list[str] = []
    if student is None:
        return rows
    if verdict.metric == "file_bytes":
        rows += _block("largest tensors", largest_lines(student))
    for reference in (BASELINE, TEACHER):
        if reference in known:
            rows += _block(f"since {reference}", growth_lines(known[reference], student))
    return rows


def _classes(reports: Sequence[Report]) -> list[str]:
    """The classes that lost most, against each reference."""
    rows = []
    for reference in (BASELINE, TEACHER):
        pair = next((p for r in reports if (p := pair_of(r, reference)) is not None), None)
        if pair is None:
            continue
        lines = [
            f"{change.name}: {signed(points((change.gained - change.lost) / change.samples))} "
            f"to {percent(change.student_accuracy)} of {change.samples:,}, "
            f"{change.lost:,} lost, {change.gained:,} gained"
            for change in pair.classes[:5]
        ]
        rows += _block(f"worst classes against the {reference}", lines)
    return rows


def _tries(result: GateResult, verdict: Verdict) -> list[str]:
    known = _TRIES.get(verdict.metric) or _TRIES.get(verdict.metric.partition(".")[0], ())
    tries = list(known)
    if verdict.status == "inconclusive":
        tries = ["more samples or epochs, or a machine with less noise: `how` says which"]
    tries.append(
        f"or accept it: `distil gate waive {verdict.budget} --until DATE --reason .. "
        f"--file {result.path}`"
    )
    return _block("try", tries)


def _block(title: str, lines: Sequence[str]) -> list[str]:
    return [f"  {title}:", *(f"    {line}" for line in lines)]
