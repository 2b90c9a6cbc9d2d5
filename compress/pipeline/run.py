"""One run: recipe in, run folder out. Stages are hit or computed, then everything is published."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.devices import check_device as check_bench_device
from benchmarks.environment import machine_fingerprint
from compress.distill.devices import check_device
from compress.pipeline.assemble import TOKENIZER_FILE, assemble_report, facts_of
from compress.pipeline.context import Context
from compress.pipeline.deployments import deploy, for_main_target, plan_targets
from compress.pipeline.event_log import EventLog
from compress.pipeline.graph import plan_stages
from compress.pipeline.inheriting import inheritance_stages, with_inherited
from compress.pipeline.method import hold_race, race_stages, with_method
from compress.pipeline.publish import predict_source, publish, waveform_source
from compress.pipeline.run_lock import run_folder
from compress.pipeline.search import (
    found_file,
    hold_search,
    search_stages,
    study_file,
    with_student,
)
from compress.pipeline.stage import Finished, Planned, Stage
from compress.pipeline.stage_runner import StageRunner
from compress.pipeline.stages.exporting import EXPORT, FLOAT_FILE, export_stages
from compress.pipeline.stages.inheriting import PRUNE
from compress.pipeline.stages.judging import JUDGE, PREDICTIONS_FILE, judge_stage
from compress.pipeline.stages.ledger import ledger_stage
from compress.pipeline.stages.measuring import measure_stage
from compress.pipeline.stages.quantizing import quantize_stages
from compress.pipeline.stages.shipping import SHIP, ship_stage
from compress.pipeline.stages.student import student_stage
from compress.pipeline.stages.teacher import teacher_stages
from compress.pipeline.stages.training import TRAIN, training_stages
from compress.prune.saved import PLAN_FILE
from compress.recipe.load import LoadedRecipe, load_recipe
from compress.recipe.nodes import AudioFolderTask, PythonStudent
from compress.recipe.targets import load_target
from compress.report.write import report_files
from compress.store.store import open_store
from compress.tasks.build import build_task
from compress.teachers.build import check_named
from compress.values import Report
from exporters.cpus import allowed_cpus
from exporters.events import Event


@dataclass(frozen=True, slots=True, kw_only=True)
class RunResult:
    """What `distil run` gives: the report and the folder that holds it."""

    report: Report
    folder: Path


def stages_of(context: Context) -> tuple[Stage, ...]:
    """The graph of a recipe, in the order in which it runs."""
    return (
        student_stage(context),
        *teacher_stages(context),
        *training_stages(context),
        *export_stages(context),
        *quantize_stages(context),
        ledger_stage(context),
        ship_stage(context),
        measure_stage(context),
        judge_stage(context),
    )


def run(
    recipe: str | os.PathLike[str] | LoadedRecipe,
    *,
    out: str | os.PathLike[str],
    cache: str | os.PathLike[str],
    overrides: Sequence[str] = (),
    data_folder: Path | None = None,
    fresh: bool = False,
    on_event: Callable[[Event], None] = lambda event: None,
) -> RunResult:
    """Run a recipe into the folder `out`; resumes by itself. fresh: computes all of it again.

    Raises InputError (exit 2) before anything starts when the recipe, the data, or a folder can't
    be used; DistilError when a stage fails. An earlier good run in `out` stays until the end.
    """
    loaded = (
        recipe
        if isinstance(recipe, LoadedRecipe)
        else load_recipe(Path(recipe), overrides=overrides)
    )
    with ExitStack() as stack:
        folder = stack.enter_context(run_folder(out))
        store = stack.enter_context(open_store(cache))
        log = stack.enter_context(EventLog(folder))

        def tell(event: Event) -> None:
            if event.kind not in ("progress", "step"):
                log(event)
            on_event(event)

        try:
            context = prepare(loaded, cache=store.root, data_folder=data_folder, on_event=tell)
        except BaseException:
            log.forget()
            raise
        runner = StageRunner(store, fresh=fresh)
        searched = hold_search(context, runner=runner, on_event=tell)
        context = with_student(context, searched)
        cut = runner.run(inheritance_stages(context), on_event=tell)
        context = with_inherited(context, cut)
        raced = hold_race(context, runner=runner, on_event=tell)
        if raced:
            context = with_method(context, raced)
        finished = {
            **searched,
            **cut,
            **raced,
            **runner.run(stages_of(context), on_event=tell),
        }
        now = datetime.now(UTC).isoformat(timespec="seconds")
        deployed: dict[str, Path | bytes] = {}
        if loaded.recipe.targets:
            own = replace(loaded, recipe=context.recipe)
            done = deploy(
                loaded,
                context,
                assemble_report(own, context, finished, created_at=now),
                finished,
                stages_of=stages_of,
                store=store,
                fresh=fresh,
                created_at=now,
                on_event=tell,
            )
            report, deployed = done.report, dict(done.files)
        else:
            report = assemble_report(loaded, context, finished, created_at=now)
        tell(Event("start", "report", "writing the report"))
        files = {
            **_published(finished, context),
            **deployed,
            **report_files(report),
            "events.jsonl": log.path,
        }
        publish(files, folder, facts=facts_of(loaded, context, created_at=now))
        log.clear()
    return RunResult(report=report, folder=folder)


def plan(
    recipe: str | os.PathLike[str] | LoadedRecipe,
    *,
    cache: str | os.PathLike[str],
    overrides: Sequence[str] = (),
    data_folder: Path | None = None,
    on_event: Callable[[Event], None] = lambda event: None,
) -> tuple[Planned, ...]:
    """What `run` would do with each stage, and why; computes nothing."""
    loaded = (
        recipe
        if isinstance(recipe, LoadedRecipe)
        else load_recipe(Path(recipe), overrides=overrides)
    )
    with open_store(cache) as store:
        context = prepare(loaded, cache=store.root, data_folder=data_folder, on_event=on_event)
        runner = StageRunner(store)
        searched = plan_stages(search_stages(context, runner=runner), store=store)
        if searched and not searched[-1].hit:
            return searched
        if searched:
            done = hold_search(context, runner=runner, on_event=on_event)
            context = with_student(context, done)
        cut = plan_stages(inheritance_stages(context), store=store)
        if cut and not cut[-1].hit:
            return (*searched, *cut)
        if cut:
            done = runner.run(inheritance_stages(context), on_event=on_event)
            context = with_inherited(context, done)
        raced = plan_stages(race_stages(context, runner=runner), store=store)
        if raced and not raced[-1].hit:  # what comes then depends on what it will choose
            return (*searched, *cut, *raced)
        if raced:
            done = hold_race(context, runner=runner, on_event=on_event)
            context = with_method(context, done)
        others = plan_targets(loaded, context, stages_of=stages_of, store=store)
        return (*searched, *cut, *raced, *plan_stages(stages_of(context), store=store), *others)


def prepare(
    loaded: LoadedRecipe,
    *,
    cache: Path,
    data_folder: Path | None = None,
    on_event: Callable[[Event], None] = lambda event: None,
) -> Context:
    """Load the data and look at the machine; before that, find what else the recipe names."""
    recipe = loaded.recipe
    check_device(recipe.distill.device)
    for device in recipe.bench.devices:
        check_bench_device(device, {"onnxruntime"})
    if isinstance(recipe.student, PythonStudent):
        load_target(recipe.student.target, loaded.folder)
    if recipe.teacher is not None:
        check_named(recipe.teacher, folder=loaded.folder)
    task = build_task(
        recipe.task,
        folder=loaded.folder,
        seed=recipe.seed,
        cache=cache,
        data_folder=data_folder,
        on_event=on_event,
    )
    return for_main_target(
        Context(
            recipe=recipe,
            folder=loaded.folder,
            cache=cache,
            data_folder=data_folder,
            task=task,
            machine=machine_fingerprint(),
            threads=allowed_cpus(),
        )
    )


def _published(finished: dict[str, Finished], context: Context) -> dict[str, Path | bytes]:
    tokenizer = context.task.tokenizer
    text = {} if tokenizer is None else {TOKENIZER_FILE: tokenizer.encode()}
    audio = isinstance(context.recipe.task, AudioFolderTask)
    heard = {"waveform.py": waveform_source()} if audio else {}
    cut = {"student.plan.json": finished[PRUNE].files[PLAN_FILE]} if PRUNE in finished else {}
    return {
        **text,
        **heard,
        **cut,
        **study_file(finished),
        **found_file(finished, context.recipe),
        "student.onnx": finished[SHIP].files["student.onnx"],
        "student.float32.onnx": finished[EXPORT].files[FLOAT_FILE],
        "student.safetensors": finished[TRAIN].files["weights.safetensors"],
        "predictions.npz": finished[JUDGE].files[PREDICTIONS_FILE],
        "predict.py": predict_source(),
    }


__all__ = ["RunResult", "plan", "prepare", "run", "stages_of"]
