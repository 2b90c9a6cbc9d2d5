"""Which distillation method helps, on Fashion-MNIST with a student of 2.4 MMAC. 4 h on 2 cores.

    python examples/fashion/study.py             # all units that are not there yet, then the table
    python examples/fashion/study.py --minutes 60
    python examples/fashion/study.py --regime "all labels"    # the other one in another process
    python examples/fashion/study.py --table     # the table from what is there

Two regimes: all 55,000 labels; and 2,000 labels (1,500 to train, 500 to validate) while the teacher
alone labels the rest. A unit is one seed of one regime, all arms in it; it is one line in
docs/results/fashion-study.jsonl with the CPU model, and is skipped when present. Every arm takes
equal steps on the same augmented views: one view per epoch, stored where a teacher is asked.
Controls learn without the teacher, each at the learning rate that a unit of its own found best on
validation, and all methods at the one that this unit found best for plain KD; one of the controls
mixes images up as FunMatch does. At four times the length there are four times the views, and it is
tried once: one regime, one seed. "mixup" asks what of FunMatch costs accuracy; "label share" why
methods whose labels weigh 1 were behind with 2,000: a mean over the three or four of a batch that
have a label, as the arms of that regime were trained, gave each the weight of forty without one; by
share, as labels count since then, all images weigh the same.
Answers on test are kept as they are; once all units are there the table compares them with the
labels.
"""

from __future__ import annotations

import argparse
import base64
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from pydantic import TypeAdapter

from benchmarks.environment import machine_fingerprint
from compress.pipeline.context import Context
from compress.pipeline.graph import run_stages
from compress.pipeline.run import prepare
from compress.pipeline.stages.teacher import teacher_stages, view_names
from compress.pipeline.stages.training import precision_stage, train_stage
from compress.recipe.load import load_recipe
from compress.recipe.loss_nodes import LossNode
from compress.recipe.teaching import reads_stored
from compress.store.store import Store, open_store
from compress.students.build import build_student
from compress.tasks.views import as_inputs
from exporters.events import Event
from exporters.weights import load_weights

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
RESULTS = ROOT / "docs" / "results" / "fashion-study.jsonl"
EPOCHS, SEEDS = 6, range(5)
VIEWS = EPOCHS  # with fewer, arms that store outputs would see less augmentation than the others
REGIMES: Mapping[str, tuple[str, ...]] = {
    "all labels": (),
    "2,000 labels": ("task.validation=500", "task.labelled=1500"),
}
KINDS = ("outputs", "tuning", "arms", "hint", "hint at 100", "at 4x", "mixup", "label share")
CONTROLS = ("labels", "label smoothing", "labels, mixup")
RATES: Mapping[str, tuple[float, ...]] = {  # the best of each is inside, by first looks
    "all labels": (0.15, 0.4, 1.0),
    "2,000 labels": (0.015, 0.05, 0.15),
}
TUNING_SEED = 100
KD = {"kind": "kd", "temperature": 4, "weight": 0.9}
FUNMATCH = {"loss": {"kind": "kd", "temperature": 1, "weight": 1.0}, "mixup": 1.0}
ARMS: Mapping[str, dict[str, Any]] = {
    "labels": {"loss": {"kind": "labels", "smoothing": 0.0}},
    "label smoothing": {"loss": {"kind": "labels", "smoothing": 0.1}},
    "labels, mixup": {"loss": {"kind": "labels", "smoothing": 0.0}, "mixup": 1.0},
    "kd": {"loss": KD},
    "kd, standardized": {
        "loss": {
            "kind": "kd",
            "temperature": 2,
            "weight": 9.0,
            "label_weight": 0.1,
            "standardize": True,
        }
    },
    "dkd": {"loss": {"kind": "dkd"}},
    "dist": {"loss": {"kind": "dist", "beta": 2, "gamma": 2, "temperature": 4}},
    "funmatch": FUNMATCH,
    "teacher's decisions": {"loss": {"kind": "hard", "weight": 1.0}},
}
SHARE = 1500 / 59_500  # of the training images, that have a label in the second regime
LAYERS = [{"student": "stages.1", "teacher": "stages.5"}]


def hint(weight: float) -> dict[str, Any]:
    """KD, and a hint on one inner layer; 100 is the published weight."""
    beside = {"loss": {"kind": "hint", "layers": LAYERS, "weight": weight}}
    return {"loss": {"kind": "sum", "terms": [{"loss": KD}, beside]}}


def units() -> list[dict[str, Any]]:
    """All units in their order: the teacher's outputs, tuning, seeds, then the dear arms beside
    plain KD, and what explains some arms."""
    planned: list[dict[str, Any]] = []
    for regime in REGIMES:
        planned.append({"regime": regime, "kind": "outputs", "seed": 0})
        planned.append({"regime": regime, "kind": "tuning", "seed": TUNING_SEED})
        planned += [{"regime": regime, "kind": "arms", "seed": seed} for seed in SEEDS]
    for regime in REGIMES:
        planned += [{"regime": regime, "kind": "hint", "seed": seed} for seed in range(3)]
        planned.append({"regime": regime, "kind": "hint at 100", "seed": 0})
    planned.append({"regime": "all labels", "kind": "at 4x", "seed": 0})
    for regime, kind in (("all labels", "mixup"), ("2,000 labels", "label share")):
        planned += [{"regime": regime, "kind": kind, "seed": seed} for seed in range(3)]
    return planned


def arms_of(
    unit: Mapping[str, Any], done: Sequence[Mapping[str, Any]]
) -> dict[str, dict[str, Any]]:
    """Name -> changes of `distill`, for one unit."""
    if unit["kind"] == "tuning":
        return {
            f"{name} at {rate:g}": {**ARMS[name], "learning_rate": rate}
            for name in (*CONTROLS, "kd")
            for rate in RATES[unit["regime"]]
        }
    tuned = best_rates(unit["regime"], done)
    methods = {"learning_rate": tuned["kd"]}
    if unit["kind"] == "hint":
        return {"kd": {**ARMS["kd"], **methods}, "hint": {**hint(1.0), **methods}}
    if unit["kind"] == "hint at 100":
        return {"kd": {**ARMS["kd"], **methods}, "hint at 100": {**hint(100.0), **methods}}
    if unit["kind"] == "mixup":
        plain = {key: value for key, value in FUNMATCH.items() if key != "mixup"}
        return {"funmatch": {**FUNMATCH, **methods}, "funmatch, no mixup": {**plain, **methods}}
    if unit["kind"] == "label share":
        return {
            f"{name}{told}": {"loss": {**ARMS[name]["loss"], **labels}, **methods}
            for name in ("dkd", "dist")
            for told, labels in (("", {"label_weight": 1 / SHARE}), (", labels by share", {}))
        }
    if unit["kind"] == "at 4x":
        longer = {"epochs": 4 * EPOCHS, "views": 4 * VIEWS}
        smoothed = {**ARMS["label smoothing"], "learning_rate": tuned["label smoothing"]}
        return {
            "funmatch at 4x": {**FUNMATCH, **methods, **longer},
            "label smoothing at 4x": {**smoothed, **longer},
        }
    return {
        name: {**changes, "learning_rate": tuned.get(name, tuned["kd"])}
        for name, changes in ARMS.items()
    }


def best_rates(regime: str, done: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """The learning rate of each control, and of KD, that was best on validation."""
    line = next(one for one in done if one["regime"] == regime and one["kind"] == "tuning")
    found = {arm["name"]: arm["validation_accuracy"] for arm in line["arms"]}
    return {
        name: max(RATES[regime], key=lambda rate: found[f"{name} at {rate:g}"])
        for name in (*CONTROLS, "kd")
    }


def store_outputs(unit: Mapping[str, Any]) -> dict[str, Any]:
    """What the teacher gives of all views, which later units find stored; seconds of computing."""
    loaded = load_recipe(HERE / "study.yaml", overrides=REGIMES[unit["regime"]])
    with open_store(ROOT / ".distil") as store:
        context = prepare(loaded, cache=store.root)
        done = run_stages(teacher_stages(context), store=store, on_event=_say)
    seconds = {name: round(done[name].entry.seconds, 1) for name in view_names(context)}
    machine = dict(machine_fingerprint())
    return {**unit, "views": seconds, "seconds": sum(seconds.values()), "machine": machine}


def run_unit(
    unit: Mapping[str, Any], done: Sequence[Mapping[str, Any]], precision: str
) -> dict[str, Any]:
    """Train the arms of a unit; a killed one goes on where it stopped."""
    pinned = f"decisions={{precision: {precision}}}"
    loaded = load_recipe(HERE / "study.yaml", overrides=(*REGIMES[unit["regime"]], pinned))
    started, arms = time.monotonic(), []
    with open_store(ROOT / ".distil") as store:
        context = prepare(loaded, cache=store.root)
        for name, changes in arms_of(unit, done).items():
            arms.append(run_arm(name, changes, unit["seed"], context, store))
            print(f"  {name}: {100 * arms[-1]['validation_accuracy']:.2f} %", flush=True)
    machine = dict(machine_fingerprint())
    return {
        **unit,
        "arms": arms,
        "precision": precision,
        "seconds": round(time.monotonic() - started, 1),
        "machine": machine,
    }


def run_arm(
    name: str, changes: Mapping[str, Any], seed: int, context: Context, store: Store
) -> dict[str, Any]:
    """One training: its accuracy on validation, and its answers on test, unread."""
    loss: Any = TypeAdapter(LossNode).validate_python(changes["loss"])
    settings = {"epochs": EPOCHS, "views": VIEWS, **changes, "loss": loss, "seed": seed}
    node = context.recipe.distill.model_copy(update=settings)
    recipe = context.recipe.model_copy(update={"distill": node})
    own = replace(context, recipe=recipe)
    views = view_names(own) if reads_stored(node) else ()
    stages = (*teacher_stages(own), precision_stage(own), train_stage(own, "arm", node, views))
    finished = run_stages(stages, store=store, on_event=_say)["arm"]
    history: Any = finished.entry.meta["history"]
    module = build_student(recipe.student, folder=context.folder, seed=seed)
    module.load_state_dict(load_weights(finished.files["weights.safetensors"]))
    answers = _answers(module.eval(), context)
    return {
        "name": name,
        "learning_rate": node.learning_rate,
        "validation_accuracy": history["epochs"][-1]["validation_accuracy"],
        "macs": history["macs"],
        "test_answers": base64.b85encode(answers.tobytes()).decode(),
    }


def _answers(module: torch.nn.Module, context: Context) -> np.ndarray[Any, np.dtype[np.uint8]]:
    inputs = context.task.test().inputs
    with torch.no_grad():
        parts = [
            module(*as_inputs(context.task, inputs[at : at + 500])).argmax(1)
            for at in range(0, len(inputs), 500)
        ]
    return torch.cat(parts).to(torch.uint8).numpy()


def _say(event: Event) -> None:
    if event.kind in ("start", "epoch") and event.stage.startswith("teacher-outputs"):
        print(f"  {event.stage}", flush=True)


def read_done() -> list[dict[str, Any]]:
    """The units that are there."""
    lines = RESULTS.read_text().splitlines() if RESULTS.exists() else []
    return [json.loads(line) for line in lines]


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--minutes", type=float, default=float("inf"))
    parser.add_argument("--regime", choices=REGIMES, help="units of this one alone")
    parser.add_argument("--kind", choices=KINDS, help="units of this kind alone")
    parser.add_argument(
        "--precision",
        choices=("float32", "bfloat16"),
        default="float32",
        help="of training; where a CPU multiplies bfloat16 by itself, that is sooner done",
    )
    parser.add_argument("--table", action="store_true")
    chosen = parser.parse_args()
    began = time.monotonic()
    for unit in () if chosen.table else units():
        done = read_done()
        if any(all(one[key] == unit[key] for key in unit) for one in done):
            continue
        if chosen.regime not in {None, unit["regime"]} or chosen.kind not in {None, unit["kind"]}:
            continue
        if time.monotonic() - began > 60 * chosen.minutes:
            break
        print(f"{unit['regime']}: {unit['kind']}, seed {unit['seed']}", flush=True)
        if unit["kind"] == "outputs":
            line = store_outputs(unit)
        else:
            line = run_unit(unit, done, chosen.precision)
        with RESULTS.open("ab", buffering=0) as stream:  # in one piece: others may append too
            stream.write(f"{json.dumps(line)}\n".encode())
    from study_table import table  # beside this file

    print(table(read_done(), planned=len(units())))


if __name__ == "__main__":
    main()
