"""What was found, timed as the run will time it: by fresh processes, before its training in full.

One warm process is quick, and one sample of how a file lies in memory: of a network of 18 MiB fresh
ones were seen to differ by a third.
"""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path

from benchmarks.measure import measure
from benchmarks.screening import Screened as Timed
from benchmarks.settings import BenchSettings
from benchmarks.values import Setting
from compress.errors import DistilError
from compress.gate.lookup import STUDENT, TEACHER
from compress.pipeline.context import Context
from compress.pipeline.inheriting import inherited
from compress.pipeline.limits import Cell, Known, judged_before_training, observed
from compress.pipeline.stage import Inputs, OnEvent, Stage, StageResult
from compress.pipeline.stages.measuring import SAMPLES
from compress.pipeline.stages.schemes import planned, slug
from compress.pipeline.stages.screening import OF_MACHINE, Screener, what_is_timed
from compress.pipeline.stages.teacher import TEACHER_FILE
from compress.pipeline.stages.timed import shipped_inputs
from compress.pipeline.stages.untrained import untrained_file
from compress.recipe.catalogue import METRICS
from compress.search.confirm import Confirmed
from compress.search.space import Plan
from compress.store.keys import Json
from exporters.atomic import write_json
from exporters.events import Event

CONFIRMED_FILE = "confirmed.json"
EPOCHS = 8


def confirm(screener: Screener, plan: Plan) -> Confirmed:
    """What the untrained file of a plan takes of each budget on time, by fresh processes; why
    that can't be said, where they don't get through: another network may do."""
    began = time.monotonic()
    try:
        return _confirmed(screener, plan)
    except OF_MACHINE:
        raise
    except DistilError as error:
        said = f"{plan.name} can't be timed in fresh processes: {error}"
        screener.on_event(Event("note", "search", said))
        return Confirmed(values={}, seconds=time.monotonic() - began, failed=str(error))
    finally:
        screener.worked_s += time.monotonic() - began


def _confirmed(screener: Screener, plan: Plan) -> Confirmed:
    context, _ = inherited(
        planned(screener.context, plan), runner=screener.runner, on_event=lambda event: None
    )
    stage = _stage(screener, plan, context)
    done = screener.runner.run((*screener.before(), stage), on_event=lambda event: None)[stage.name]
    timed = {tuple(one["cell"]): Timed(**one["timed"]) for one in done.json(CONFIRMED_FILE)}
    known = Known(timed=timed, memory={}, size_bytes=0, parameters=0, macs=0, teacher_bytes=None)
    first = timed[screener.cells[0]]
    said = f"{plan.name}: {first.p50_ms:.3g} ms in {EPOCHS} fresh processes"
    screener.on_event(Event("note", "search", said))
    return Confirmed(
        values={
            budget.id: observed(budget, known)
            for budget in context.recipe.budgets
            if judged_before_training(budget) and METRICS[budget.metric].timed
        },
        seconds=done.entry.seconds,
    )


def _stage(screener: Screener, plan: Plan, context: Context) -> Stage:
    cells = screener.cells

    def parts(inputs: Inputs) -> Mapping[str, Json]:
        return {**what_is_timed(context, cells), "epochs": EPOCHS, "seed": context.recipe.seed}

    def compute(inputs: Inputs, work: Path, on_event: OnEvent) -> StageResult:
        path = screener.shipped(untrained_file(context, work)[0], work)
        timed = _timed(context, path, screener.teacher_file(), cells)
        facts = [{"cell": list(cell), "timed": asdict(one)} for cell, one in timed.items()]
        write_json(work / CONFIRMED_FILE, facts)
        return StageResult(files={CONFIRMED_FILE: work / CONFIRMED_FILE})

    needs = tuple(f"{stage.name}/{TEACHER_FILE}" for stage in screener.before())
    return Stage(name=f"confirm-{slug(plan)}", version=1, parts=parts, compute=compute, needs=needs)


def _timed(
    context: Context, path: Path, teacher: Path | None, cells: tuple[Cell, ...]
) -> dict[Cell, Timed]:
    bench = context.recipe.bench
    files = {STUDENT: path} if teacher is None else {TEACHER: teacher, STUDENT: path}
    found = {}
    for device, threads in dict.fromkeys(cell[:2] for cell in cells):
        batches = tuple(cell[2] for cell in cells if cell[:2] == (device, threads))
        measured = measure(
            files,
            inputs=shipped_inputs(context, SAMPLES),
            settings=BenchSettings(
                devices=(device,),
                threads=(threads,),
                batch=batches,
                epochs=EPOCHS,
                cpu_nodes=bench.cpu_nodes,
            ),
            seed=context.recipe.seed,
        )
        p50 = {
            (one.subject, cell.setting): cell.latency.p50_ms
            for one in measured.measurements
            for cell in one.cells
        }
        ratios = {one.setting: one.log_ratios for one in measured.comparisons}
        for batch in batches:
            setting = Setting(device=device, threads=threads, batch=batch)
            own = p50[STUDENT, setting]
            alone = Timed(p50_ms=own, reference_ms=own, ratio=1.0, low=1.0, high=1.0)
            found[device, threads, batch] = alone
            if teacher is not None:
                logs = ratios[setting]
                low, _, high = statistics.quantiles(logs, n=4)
                found[device, threads, batch] = replace(
                    alone,
                    reference_ms=p50[TEACHER, setting],
                    ratio=math.exp(statistics.median(logs)),
                    low=math.exp(low),
                    high=math.exp(high),
                )
    return found
