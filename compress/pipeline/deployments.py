"""Several targets in one recipe: a file, a report and verdicts for each, from one training.

Each target is a graph of its own over the same store, so that stages with equal keys are computed
once: what comes before quantization is shared.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from benchmarks.devices import check_device
from compress.errors import DistilError, InputError
from compress.pipeline.assemble import assemble_report
from compress.pipeline.context import Context
from compress.pipeline.graph import plan_stages, run_stages
from compress.pipeline.stage import Finished, Planned, Stage
from compress.pipeline.stages.judging import JUDGE
from compress.pipeline.stages.measuring import MEASURE
from compress.pipeline.stages.shipping import SHIP
from compress.quantize.scheme import scheme_for
from compress.recipe.deployments import recipe_of
from compress.recipe.load import LoadedRecipe
from compress.recipe.nodes import NoQuantize, Recipe, Target
from compress.report.write import report_files
from compress.store.store import Store
from compress.values import Report, StageRecord
from exporters.cpus import allowed_cpus
from exporters.events import Event

STUDENT_FILE = "student.onnx"
Stages = Callable[[Context], tuple[Stage, ...]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployed:
    """The report over all targets, and what is published for each."""

    report: Report
    files: Mapping[str, Path | bytes]


def why_not_here(target: Target, machine: Mapping[str, str]) -> str | None:
    """Why this machine can't measure a target; None where it can."""
    flags = frozenset(machine.get("cpu_flags", "").split())
    if target.cpu_flags is not None:
        if absent := [flag for flag in target.cpu_flags if flag not in flags]:
            return f"this processor has no {', '.join(absent)}"
        if scheme_for(target.cpu_flags, target.device) != scheme_for(flags, target.device):
            return "this processor has faster int8 instructions than the target"
    if max(target.threads) > allowed_cpus():
        return f"{max(target.threads)} threads are more than the {allowed_cpus()} CPUs allowed here"
    try:
        check_device(target.device, {"onnxruntime"})
    except DistilError as error:
        return error.what
    return None


def main_target(recipe: Recipe, machine: Mapping[str, str]) -> Target:
    """The first that this machine can measure: its file is also student.onnx.

    Raises InputError where there is none.
    """
    reasons = {target.id: why_not_here(target, machine) for target in recipe.targets}
    for target in recipe.targets:
        if reasons[target.id] is None:
            return target
    raise InputError(
        f"no target can be measured here: {'; '.join(f'{k}: {v}' for k, v in reasons.items())}",
        where="targets",
        cure="run it on a machine like one of them, or add this one",
    )


def for_main_target(context: Context) -> Context:
    """The context of the main target, where the recipe has targets."""
    recipe = context.recipe
    if not recipe.targets:
        return context
    return replace(context, recipe=recipe_of(recipe, main_target(recipe, context.machine)))


def for_target(context: Context, recipe: Recipe, target: Target) -> Context:
    """The context of another target. recipe: as it was written; context: of the main one, which
    knows what student and loss were found.

    Where it can't be measured, a kind that insists on its scheme is made for its processor; auto
    and qat ask what is faster, which is open there: the float file is shipped.
    """
    written = context.recipe.model_copy(
        update={"budgets": recipe.budgets, "quantize": recipe.quantize}
    )
    own = recipe_of(written, target)
    if why_not_here(target, context.machine) is None:
        return replace(context, recipe=own)
    if own.quantize.kind in ("auto", "qat"):
        own = own.model_copy(update={"quantize": NoQuantize(kind="none")})
    machine = dict(context.machine)
    if target.cpu_flags is not None:
        machine["cpu_flags"] = " ".join(target.cpu_flags)
    return replace(context, recipe=own, machine=machine)


def deploy(
    loaded: LoadedRecipe,
    context: Context,
    main: Report,
    finished: Mapping[str, Finished],
    *,
    stages_of: Stages,
    store: Store,
    fresh: bool,
    created_at: str,
    on_event: Callable[[Event], None],
) -> Deployed:
    """Finish every target. context, main, finished: of the main one, whose stages are shared."""
    recipe = loaded.recipe
    chosen = main_target(recipe, context.machine)
    seen = {done.entry.key for done in finished.values()}

    def tell(event: Event) -> None:
        if not (event.kind == "hit" and event.data.get("key") in seen):
            on_event(event)

    reports: list[tuple[Target, Report]] = []
    files: dict[str, Path | bytes] = {}
    for target in recipe.targets:
        if target.id == chosen.id:
            report, done = main, finished
        else:
            own = for_target(context, recipe, target)
            stages = _measurable(stages_of(own), target, context.machine)
            done = run_stages(stages, store=store, fresh=fresh, kept=seen, on_event=tell)
            seen |= {entry.entry.key for entry in done.values()}
            report = assemble_report(
                replace(loaded, recipe=own.recipe), own, done, created_at=created_at
            )
        reports.append((target, report))
        files[f"student.{target.id}.onnx"] = done[SHIP].files[STUDENT_FILE]
        for name, content in report_files(report).items():
            if name.startswith("report."):
                files[f"report.{target.id}.{name.removeprefix('report.')}"] = content
            elif name != "junit.xml":  # the samples that the report names; one junit holds all
                files[name] = content
    return Deployed(report=_joined(main, chosen, reports, context.machine), files=files)


def plan_targets(
    loaded: LoadedRecipe, context: Context, *, stages_of: Stages, store: Store
) -> tuple[Planned, ...]:
    """What the other targets would do beyond the main one's stages, named with their targets."""
    recipe = loaded.recipe
    if not recipe.targets:
        return ()
    chosen = main_target(recipe, context.machine)
    shared = {planned.key for planned in plan_stages(stages_of(context), store=store)}
    found: list[Planned] = []
    for target in recipe.targets:
        if target.id != chosen.id:
            own = for_target(context, recipe, target)
            stages = _measurable(stages_of(own), target, context.machine)
            found += [
                replace(planned, stage=f"{planned.stage}.{target.id}")
                for planned in plan_stages(stages, store=store)
                if planned.key is None or planned.key not in shared
            ]
    return tuple(found)


def _measurable(
    stages: Sequence[Stage], target: Target, machine: Mapping[str, str]
) -> tuple[Stage, ...]:
    """Without what a target can't have here: time, and answers, which differ between processors."""
    left_out = () if why_not_here(target, machine) is None else (MEASURE, JUDGE)
    return tuple(stage for stage in stages if stage.name not in left_out)


def _joined(
    main: Report,
    chosen: Target,
    reports: Sequence[tuple[Target, Report]],
    machine: Mapping[str, str],
) -> Report:
    """The main report with the verdicts, stages and a note of every target."""
    keys = {record.key for record in main.stages}
    stages: list[StageRecord] = list(main.stages)
    notes = list(main.notes)
    for target, report in reports:
        stages += [
            replace(record, stage=f"{record.stage}.{target.id}")
            for record in report.stages
            if record.key not in keys
        ]
        reason = why_not_here(target, machine)
        told = f"measured here, see report.{target.id}.html"
        if target.id == chosen.id:
            told = f"{STUDENT_FILE} is its file, and the figures of this report are its own"
        elif reason is not None:
            told = f"not measured: {reason}. Its budgets are unmeasured; run it on that machine"
        notes.append(f"Target {target.id} (student.{target.id}.onnx): {told}.")
    return replace(
        main,
        verdicts=tuple(verdict for _, report in reports for verdict in report.verdicts),
        stages=tuple(stages),
        notes=tuple(notes),
    )
