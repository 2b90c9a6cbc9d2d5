"""How much sooner stored outputs reach what a teacher in the loop ends with. 15 min a unit.

    python -m benchmarks.suites.time_to_accuracy                 # units that are not there yet
    python -m benchmarks.suites.time_to_accuracy --minutes 20
    python -m benchmarks.suites.time_to_accuracy --out FILE --set distill.epochs=1   # a trial

A unit is one seed: the demo's student is trained with its teacher in the loop, and through the
stored views of the recipe, whose computation counts. Both sides take the same steps first; where
the stored side ends below the other's last validation accuracy it is trained anew for a quarter
more epochs, until it gets there: the time of the schedule that gets there counts, and all tries are
in the line. Times are of whole stages, with start and validation; sides take turns in who comes
first. Every unit has a store of its own, so that nothing is there before; it is one line in
docs/results/fashion-time-to-accuracy.jsonl with the CPU model, and is skipped when present.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmarks.environment import machine_fingerprint
from compress.pipeline.context import Context
from compress.pipeline.graph import run_stages
from compress.pipeline.run import prepare
from compress.pipeline.stage import Finished
from compress.pipeline.stages.teacher import teacher_stages, view_names
from compress.pipeline.stages.teacher_files import OUTPUTS
from compress.pipeline.stages.training import precision_stage, train_stage
from compress.recipe.load import load_recipe
from compress.store.store import Store, open_store
from exporters.events import Event

ROOT = Path(__file__).resolve().parents[2]
RECIPE = ROOT / "examples" / "fashion" / "recipe.yaml"
RESULTS = ROOT / "docs" / "results" / "fashion-time-to-accuracy.jsonl"
SEEDS = (0, 1, 2)
LONGER = (1.0, 1.25, 1.5, 2.0)  # schedules that the stored side may take


def run_unit(seed: int, overrides: Sequence[str]) -> dict[str, Any]:
    """Both sides of one seed; seconds of whole stages."""
    given = ("decisions={precision: float32}", f"seed={seed}", *overrides)
    loaded = load_recipe(RECIPE, overrides=given)
    with tempfile.TemporaryDirectory() as folder, open_store(Path(folder)) as store:
        context = prepare(loaded, cache=ROOT / ".distil")  # where the data set is kept
        epochs = context.recipe.distill.epochs
        # The teacher's check and export are the same for both: they are done before either.
        check = teacher_stages(_changed(context, stored=False, epochs=epochs))
        run_stages(check, store=store, on_event=_quiet)
        if seed % 2:
            first = _stored(context, epochs, store)
            online = _online(context, epochs, store)
        else:
            online = _online(context, epochs, store)
            first = _stored(context, epochs, store)
        tries = [first]
        for factor in LONGER[1:]:
            if tries[-1]["validation_accuracy"] >= online["validation_accuracy"]:
                break
            tries.append(_stored(context, math.ceil(factor * epochs), store))
            # What was stored for the first try is there: its cost counts for this one too.
            tries[-1]["outputs_seconds"] = first["outputs_seconds"]
    last = tries[-1]
    reached = last["validation_accuracy"] >= online["validation_accuracy"]
    seconds = last["train_seconds"] + last["outputs_seconds"]
    return {
        "seed": seed,
        "overrides": list(overrides),
        "online": online,
        "stored": tries,
        "reached": reached,
        "times_less": online["train_seconds"] / seconds if reached else None,
        "machine": dict(machine_fingerprint()),
    }


def _online(context: Context, epochs: int, store: Store) -> dict[str, Any]:
    own = _changed(context, stored=False, epochs=epochs)
    return _train(own, "online", (), store)


def _stored(context: Context, epochs: int, store: Store) -> dict[str, Any]:
    own = _changed(context, stored=True, epochs=epochs)
    return _train(own, f"stored-{epochs}", view_names(own), store)


def _train(context: Context, name: str, views: tuple[str, ...], store: Store) -> dict[str, Any]:
    node = context.recipe.distill
    stages = (
        *teacher_stages(context),
        precision_stage(context),
        train_stage(context, name, node, views),
    )
    finished = run_stages(stages, store=store, on_event=_quiet)
    outputs = [done for key, done in finished.items() if key.startswith(OUTPUTS)]
    history: Any = finished[name].entry.meta["history"]
    found = {
        "epochs": node.epochs,
        "train_seconds": round(_seconds(finished[name]), 2),
        "outputs_seconds": round(sum(map(_seconds, outputs)), 2),
        "validation_accuracy": history["epochs"][-1]["validation_accuracy"],
        "curve": [round(one["validation_accuracy"], 5) for one in history["epochs"]],
    }
    print(f"  {name}: {found['validation_accuracy']:.4f}, {found['train_seconds']} s", flush=True)
    return found


def _quiet(event: Event) -> None:
    pass


def _seconds(done: Finished) -> float:
    return done.entry.seconds


def _changed(context: Context, *, stored: bool, epochs: int) -> Context:
    changes = {"reuse_teacher_outputs": stored, "epochs": epochs}
    node = context.recipe.distill.model_copy(update=changes)
    return replace(context, recipe=context.recipe.model_copy(update={"distill": node}))


def table(lines: Sequence[dict[str, Any]]) -> str:
    """One line per unit, and the median of those that got there."""
    rows = []
    for line in lines:
        online, last = line["online"], line["stored"][-1]
        told = f"online / stored {line['times_less']:.2f}x" if line["reached"] else "not reached"
        rows.append(
            f"seed {line['seed']}: online {online['train_seconds']:.0f} s to "
            f"{100 * online['validation_accuracy']:.2f} %; stored {last['outputs_seconds']:.0f} + "
            f"{last['train_seconds']:.0f} s, {last['epochs']} epochs, to "
            f"{100 * last['validation_accuracy']:.2f} %: {told}"
        )
    reached = [line["times_less"] for line in lines if line["reached"]]
    if reached:
        rows.append(f"median {statistics.median(reached):.2f}x, {len(reached)} of {len(lines)}")
    return "\n".join(rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--minutes", type=float, default=float("inf"))
    parser.add_argument("--out", type=Path, default=RESULTS)
    parser.add_argument("--set", dest="overrides", action="append", default=[])
    chosen = parser.parse_args()
    began = time.monotonic()
    for seed in SEEDS:
        text = chosen.out.read_text() if chosen.out.exists() else ""
        done = {json.loads(line)["seed"] for line in text.splitlines()}
        if seed in done or time.monotonic() - began > 60 * chosen.minutes:
            continue
        print(f"seed {seed}", flush=True)
        line = run_unit(seed, chosen.overrides)
        with chosen.out.open("a") as stream:
            stream.write(json.dumps(line) + "\n")
    text = chosen.out.read_text() if chosen.out.exists() else ""
    print(table([json.loads(line) for line in text.splitlines()]))


if __name__ == "__main__":
    main()
