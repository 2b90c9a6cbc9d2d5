"""`distil gate`: evidence and budgets to verdicts and an exit code; waivers; tighter limits."""

from __future__ import annotations

import os
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from compress.cli.cache_folder import cache_folder
from compress.cli.failures import describe
from compress.cli.invocation import Invocation
from compress.cli.options import BenchmarkJson, CacheFolder, Debug, JsonFile, Quiet, Verbose
from compress.errors import InputError

if TYPE_CHECKING:
    from compress.gate.gate_file import LoadedGate
    from compress.gate.result import GateResult
    from compress.pipeline.gate_child import Asked

# What --exit-zero turns into 0. That something was not measured stays an error.
_JUDGED = (1, 3)


class Format(StrEnum):
    """What is printed."""

    text = "text"
    json = "json"
    junit = "junit"
    markdown = "markdown"
    github = "github"


GateFile = Annotated[
    Path, typer.Argument(metavar="[GATE.yaml]", help="The budgets and where the evidence lies.")
]
OutputFormat = Annotated[Format, typer.Option("--format", help="What is printed.")]
Explain = Annotated[
    str | None,
    typer.Option("--explain", metavar="ID", help="Say how one budget was judged and what to try."),
]
ExitZero = Annotated[
    bool, typer.Option("--exit-zero", help="Report violated and inconclusive budgets, but exit 0.")
]
Measure = Annotated[
    bool, typer.Option("--measure", help="First measure what is missing or stale, on this machine.")
]
Fresh = Annotated[
    bool, typer.Option("--fresh", help="With --measure: also what was measured before.")
]
Candidate = Annotated[
    Path | None, typer.Option("--candidate", metavar="FILE", help="Judge this ONNX file instead.")
]
BaselineRef = Annotated[
    str | None,
    typer.Option("--baseline-ref", metavar="REF", help="Take the baseline from a git commit."),
]
OutFolder = Annotated[
    Path | None,
    typer.Option("--out", metavar="DIR", help="Keep every format there, also when it failed."),
]
DataFolder = Annotated[
    Path | None, typer.Option("--data", metavar="DIR", help="Where known data sets lie.")
]


def gate(
    file: GateFile = Path("distil.gate.yaml"),
    format_: OutputFormat = Format.text,
    explain: Explain = None,
    measure: Measure = False,
    fresh: Fresh = False,
    candidate: Candidate = None,
    baseline_ref: BaselineRef = None,
    out: OutFolder = None,
    benchmark_json: BenchmarkJson = None,
    exit_zero: ExitZero = False,
    data: DataFolder = None,
    cache: CacheFolder = None,
    json_file: JsonFile = None,
    quiet: Quiet = False,
    verbose: Verbose = False,
    debug: Debug = False,
) -> None:
    """Judge models by their budgets.

    Exit 0: all met, 1: violated, 2: unmeasured or unusable, 3: inconclusive, 5: no baseline.
    Without --measure only stored evidence is judged. See also: distil gate waive, distil gate
    ratchet, distil baseline.
    """
    with Invocation("gate", json_file=json_file, quiet=quiet, verbose=verbose, debug=debug) as call:
        from compress.pipeline.gate_child import Asked

        try:
            asked = Asked(
                file=str(file),
                cache=str(cache_folder(cache)) if measure else "",
                candidate=None if candidate is None else str(candidate.absolute()),
                baseline_ref=baseline_ref,
                data_folder=None if data is None else str(data.absolute()),
                fresh=fresh,
            )
            loaded, result = _judged(call, asked, measure=measure)
        except Exception as error:
            _tell_failure(call, error, file=file, format_=format_, out=out)
            raise
        import json

        from compress.gate.formats import FORMATS, as_json, as_markdown, render

        call.finish_progress()
        call.result = json.loads(as_json(result))
        if explain is None:
            call.say(render(result, format_))
        else:
            call.say(_explained(loaded, explain))
        if out is not None:
            _keep(out, {name: render(result, name) for name in FORMATS})
        if benchmark_json is not None:
            _keep_benchmarks(loaded, benchmark_json)
        _summary(format_, as_markdown(result))
        call.exit_code = result.exit_code
        if exit_zero and result.exit_code in _JUDGED:
            call.exit_code = 0


def _judged(call: Invocation, asked: Asked, *, measure: bool) -> tuple[LoadedGate, GateResult]:
    from datetime import date

    from compress.gate.result import run_gate
    from compress.pipeline.gate_child import asked_gate
    from compress.report.baseline_file import find_baseline

    if asked.fresh and not measure:
        cure = "write `--measure --fresh`"
        raise InputError("measures nothing by itself", where="--fresh", cure=cure)
    gate = asked_gate(asked)
    today = date.today()
    if measure:
        _measure(call, asked)
    result = run_gate(gate, load_report=load, today=today, find_baseline=find_baseline)
    for part in gate.parts():
        state = None if part.baseline is None else part.baseline.missing
        if state == "seed" and result.exit_code == 0:
            _seed(call, part)
    return gate, result


def load(path: Path, samples: bool) -> Any:
    from compress.report.serialise import load_report

    return load_report(path, samples=samples)


def _measure(call: Invocation, asked: Asked) -> None:
    """Run what the budgets lack in a process of its own, and keep it beside the gate file."""
    from compress.pipeline.gate_child import measure_apart

    measured = measure_apart(asked, on_event=call.on_event)
    call.note(
        f"measured for {', '.join(measured)}"
        if measured
        else "nothing to measure: every budget has evidence"
    )


def _seed(call: Invocation, gate: LoadedGate) -> None:
    """`missing: seed`: where there is no baseline at all, what passed becomes it."""
    node = gate.baseline
    if node is None or node.ref is not None or (gate.folder / node.store).exists():
        return
    from compress.cli.baseline import update_store

    path = update_store(gate, node, reason="seeded: there was no baseline")
    call.note(f"wrote {path}: commit it")


def _explained(whole: LoadedGate, budget: str) -> str:
    """With the contents of files that no report holds: onnx is loaded only here."""
    from datetime import date

    from compress.gate.explain import explain
    from compress.gate.look import look_into
    from compress.gate.lookup import BASELINE, STUDENT, TEACHER
    from compress.gate.result import run_parts
    from compress.report.baseline_file import find_baseline

    parts = run_parts(whole, load_report=load, today=date.today(), find_baseline=find_baseline)
    gate, result = next(
        (pair for pair in parts if budget in {b.id for b in pair[0].budgets}), parts[0]
    )
    known = {facts.subject for report in result.reports for facts in report.models}
    state = find_baseline(gate)
    student = gate.candidate
    if student is None and gate.sources:
        first = gate.sources[0]
        student = (first if first.is_dir() else first.parent) / "student.onnx"
    files = {
        STUDENT: student,
        TEACHER: gate.teacher,
        BASELINE: None if state is None else state.model,
    }
    models = {
        name: look_into(path, name)
        for name, path in files.items()
        if name not in known and path is not None and path.is_file()
    }
    return explain(result, budget, models=models)


def _keep_benchmarks(gate: LoadedGate, path: Path) -> None:
    """All times of the evidence, raw samples included."""
    from compress.gate.benchmark_schema import as_benchmarks
    from compress.gate.evidence import read_evidence
    from compress.report.baseline_file import find_baseline
    from exporters.atomic import write_json

    documents = []
    for part in gate.parts():
        collected = read_evidence(
            part, load_report=lambda p, _: load(p, True), baseline=find_baseline(part)
        )
        documents += [
            as_benchmarks(r.measured, created_at=r.created_at)
            for r in collected.reports
            if r.measured is not None
        ]
    rows = {row["fullname"]: row for document in documents for row in document["benchmarks"]}
    if not rows:
        cure = "a budget without `vs`, or `distil run`, times each model by itself"
        raise InputError("no evidence holds times of single models", where=str(path), cure=cure)
    write_json(path, {**documents[-1], "benchmarks": list(rows.values())})


def _tell_failure(
    call: Invocation, error: Exception, *, file: Path, format_: Format, out: Path | None
) -> None:
    """A gate that could not be judged says so in every format: no reader waits for a file."""
    from compress.gate.failed import FAILED

    call.finish_progress()
    failure = describe(error)
    texts = {
        name: make(str(file), failure.line, failure.exit_code) for name, make in FAILED.items()
    }
    if format_ is not Format.text:
        call.say(texts[format_])
    if out is not None:
        _keep(out, texts)
    _summary(format_, texts["markdown"])


_NAMES = {"text": "gate.txt", "json": "gate.json", "junit": "gate.xml", "markdown": "gate.md"}


def _keep(folder: Path, texts: dict[str, str]) -> None:
    from exporters.atomic import write_text

    folder.mkdir(parents=True, exist_ok=True)
    for name, file in _NAMES.items():
        write_text(folder / file, texts[name])


def _summary(format_: Format, text: str) -> None:
    """GitHub's own file for the page of a job; other steps write there too."""
    summary = os.environ.get("GITHUB_STEP_SUMMARY", "")
    if format_ is Format.github and summary:
        with Path(summary).open("a", encoding="utf-8") as stream:
            stream.write(text)
