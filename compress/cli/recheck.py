"""`distil recheck`: a shipped student measured again on the present runtime and machine."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from compress.cli.cache_folder import cache_folder
from compress.cli.invocation import Invocation
from compress.cli.options import CacheFolder, Data, Debug, JsonFile, Quiet, Verbose
from compress.cli.streams import printable

if TYPE_CHECKING:
    from compress.pipeline.recheck import Rechecked
    from compress.values import Report

Run = Annotated[Path, typer.Argument(metavar="RUN", help="The folder of a finished run.")]
RecipeFolder = Annotated[
    Path,
    typer.Option("--recipe-folder", metavar="DIR", help="What the recipe's paths are relative to."),
]
Teacher = Annotated[
    Path | None,
    typer.Option(
        "--teacher", metavar="FILE", help="The teacher's ONNX file, where the cache has it no more."
    ),
]
Out = Annotated[
    Path | None,
    typer.Option(
        "--out", "-o", metavar="DIR", help="Keep a report there, which a gate can judge too."
    ),
]


def recheck(
    run: Run,
    recipe_folder: RecipeFolder = Path(),
    teacher: Teacher = None,
    out: Out = None,
    data: Data = None,
    cache: CacheFolder = None,
    json_file: JsonFile = None,
    quiet: Quiet = False,
    verbose: Verbose = False,
    debug: Debug = False,
) -> None:
    """Measure and judge a shipped student again, here and now.

    The run stays as it is. Exit codes are those of its budgets; 1 where a file of it was changed.
    """
    with Invocation(
        "recheck", json_file=json_file, quiet=quiet, verbose=verbose, debug=debug
    ) as call:
        from compress.pipeline.recheck import damaged

        problems = damaged(run)
        if problems:
            for problem in problems:
                call.say(printable(f"{problem.kind}: {problem.name}: {problem.message}"))
            call.result = {"run": run, "problems": problems}
            call.say(printable(f"{run}: {len(problems)} mismatched; nothing was measured"))
            call.exit_code = 1
            return
        from compress.gate.judge import exit_code
        from compress.pipeline.recheck import recheck as measure_again
        from compress.report.terminal import summary_table

        if out is not None and out.resolve() == run.resolve():
            raise _inside(out)
        found = measure_again(
            run,
            recipe_folder=recipe_folder.absolute(),
            cache=cache_folder(cache),
            teacher=teacher,
            data_folder=data,
            on_event=call.on_event,
        )
        call.finish_progress()
        call.show(summary_table(found.now))
        for line in _changes(found):
            call.say(printable(line))
        if out is not None:
            from compress.report.write import write_report

            out.mkdir(parents=True, exist_ok=True)
            write_report(found.now, out)
            call.say(printable(f"report:  {out / 'report.html'}"))
        call.result = {
            "run": run,
            "verdicts": found.now.verdicts,
            "differing": found.differing,
            "changed_answers": found.changed_answers,
            "samples": found.samples,
        }
        call.exit_code = exit_code(found.now.verdicts)


def _inside(out: Path) -> Exception:
    from compress.errors import InputError

    return InputError("is the run itself", where=f"--out {out}", cure="name another folder")


def _changes(found: Rechecked) -> list[str]:
    """Then and now, one fact per line. Times side by side are context and no comparison."""
    from compress.report import quantities as q

    part = found.changed_answers / max(1, found.samples)
    lines = [
        f"machine and runtime: {'; '.join(found.differing) or 'as in the run'}",
        f"changed answers: {found.changed_answers:,} of {found.samples:,} ({q.percent(part)})",
    ]
    then, now = _accuracy(found.then), _accuracy(found.now)
    if then is not None and now is not None:
        lines.append(f"accuracy: {q.percent(then)} then, {q.percent(now)} now")
    before, after = _times(found.then), _times(found.now)
    lines += [
        f"p50, {words}: {q.milliseconds(before[words])} then, {q.milliseconds(ms)} now "
        "(two machines or days are no comparison)"
        for words, ms in after.items()
        if words in before
    ]
    changed = {v.budget: v.status for v in found.then.verdicts}
    lines += [
        f"{v.budget}: {changed[v.budget]} then, {v.status} now"
        for v in found.now.verdicts
        if v.budget in changed and changed[v.budget] != v.status
    ]
    return lines


def _accuracy(report: Report) -> float | None:
    from compress.report.subjects import STUDENT, quality_of

    quality = quality_of(report, STUDENT)
    return None if quality is None else quality.accuracy


def _times(report: Report) -> dict[str, float]:
    from compress.report.subjects import STUDENT, measurement_of, setting_words

    measurement = measurement_of(report, STUDENT)
    cells = () if measurement is None else measurement.cells
    return {setting_words(cell.setting): cell.latency.p50_ms for cell in cells}
