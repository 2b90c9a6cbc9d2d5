"""The student that the search found against students made by hand that are no faster: equal time.

    python examples/fashion/against.py --found RUN  # once, after auto.yaml: which rivals, how long
    python examples/fashion/against.py              # units that are not there yet, then the table
    python examples/fashion/against.py --minutes 60
    python examples/fashion/against.py --table

Rivals: (a) the teacher with a uniform share of its channels pruned, tuned on labels, and (b) small
residual networks of usual widths, trained on labels. Of either the three whose int8 files take
least more time than the found one's; none that takes less. A tuning unit of a seed of its own tries
each at two learning rates, and the best of (a) and of (b) on validation meet the found student. Of
that another unit tries one view of the teacher's outputs beside the recipe's three, which take more
of so short a training than of one of 40 minutes; its rate is the recipe's. Once five seeds of that
were known, another one tries DKD, which study.py found best with all labels, in place of the KD of
the recipe; where validation prefers it, five more units (`seed dkd`) hold that student against the
same rivals, trained anew beside it.

All arms are quantized alike after training, on the same images, see the same augmentation, and
train for equal seconds by the epochs that the machine of the plan made in them; the seconds of the
teacher's outputs count for the found one. A unit is one seed with all three, at most 20 minutes; it
is a line of docs/results/fashion-against.jsonl with the CPU model, and is skipped when present.
Answers on test are kept unread until all units are there. What distillation adds:
against_same.py.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from against_arms import ROOT, Trained, context_of, train  # beside this file
from against_rivals import CLOSEST, FOUND, LEAST, PRUNED, RATES, kind_of, rivals

from benchmarks.compare import compare
from benchmarks.environment import machine_fingerprint
from benchmarks.screening import Screen
from compress.pipeline.stages.timed import timed_inputs
from compress.store.store import Store, open_store

RESULTS = ROOT / "docs" / "results" / "fashion-against.jsonl"
SEEDS = range(5)
SECONDS = 370.0  # of training per arm on the machine of the plan: three arms in 20 minutes
TUNING_SECONDS, TUNING_SEED = 85.0, 100  # twelve trainings in 20 minutes
VIEWS = (1, 3)
LOSSES = {"kd": None, "dkd": {"kind": "dkd"}}  # None: the recipe's; of study.py the best two


def plan_line(run: Path, store: Store) -> dict[str, Any]:
    """One epoch of the found student and of every rival: what each takes, and which are closest."""
    said = yaml.safe_load((run / "found.yaml").read_text(encoding="utf-8"))
    if said["quantize"]["kind"] != "static":
        raise SystemExit("the student that was found is not in int8: rivals are, so do it by hand")
    context, started = context_of(store), time.monotonic()
    views = context.recipe.distill.views
    arms: dict[str, dict[str, Any]] = {FOUND: {"student": said["student"], "views": views}}
    for name, student in rivals().items():
        arms[name] = {"student": student, "learning_rate": RATES[kind_of(name)][0]}
    found = train(arms[FOUND], epochs=1, seed=0, context=context, store=store)
    inputs = timed_inputs(context, 32)
    looked: dict[str, tuple[float, Trained]] = {}
    with Screen(found.path, inputs=inputs, batches=[1]) as screen:
        for name in list(arms)[1:]:
            slower = [n for n, (ratio, _) in looked.items() if n in PRUNED and ratio >= LEAST]
            if name in PRUNED and len(slower) == CLOSEST:
                continue  # the less is pruned, the longer it takes
            made = train(arms[name], epochs=1, seed=0, context=context, store=store)
            ratio = screen.measure(made.path)[1].ratio
            looked[name] = ratio, made
            print(f"  {name}: {ratio:.3f} of the found one's time", flush=True)
    chosen = [FOUND]
    for kind in RATES:
        slower = [n for n, (ratio, _) in looked.items() if kind_of(n) == kind and ratio >= LEAST]
        chosen += sorted(slower, key=lambda name: looked[name][0])[:CLOSEST]
    planned = {}
    for name in chosen:
        made = found if name == FOUND else looked[name][1]
        left_s = SECONDS - (found.outputs_s if name == FOUND else 0.0)
        planned[name] = {
            "student": arms[name]["student"],
            "epochs": max(1, round(left_s / made.epoch_s)),
            "epoch_s": round(made.epoch_s, 2),
            "outputs_s": round(made.outputs_s, 1),
            "time_by_found": _compared(found.path, made.path, inputs) if name != FOUND else None,
        }
    seen = {name: round(ratio, 3) for name, (ratio, _) in looked.items()}
    return _line({"kind": "plan"}, {"arms": planned, "looked_at": seen}, started)


def _compared(found: Path, rival: Path, inputs: Any) -> dict[str, Any]:
    told = compare(found, rival, inputs=inputs, batch=1, threads=1, seed=0, resolve=True)
    low, high = 1 / told.speedup_high, 1 / told.speedup_low
    return {"verdict": told.verdict, "ratio": 1 / told.speedup, "low": low, "high": high}


def tuning_line(plan: Mapping[str, Any], store: Store) -> dict[str, Any]:
    """Every rival of the plan, at both rates of its kind: which is best of either kind."""
    context, started, tried = context_of(store), time.monotonic(), []
    for name, arm in plan["arms"].items():
        epochs = max(1, round(TUNING_SECONDS / arm["epoch_s"]))
        for rate in RATES[kind_of(name)] if name != FOUND else ():
            own = {**arm, "learning_rate": rate}
            made = train(own, epochs=epochs, seed=TUNING_SEED, context=context, store=store)
            tried.append(
                {"name": name, "learning_rate": rate, "validation_accuracy": made.accuracy}
            )
            print(f"  {name} at {rate:g}: {100 * made.accuracy:.2f} %", flush=True)
    return _line({"kind": "tuning", "seed": TUNING_SEED}, {"tried": tried}, started)


def found_line(plan: Mapping[str, Any], store: Store) -> dict[str, Any]:
    """The found student with few and with many views, each in the seconds of an arm."""
    context, started, tried = context_of(store), time.monotonic(), []
    for views in VIEWS:
        arm = {**plan["arms"][FOUND], "views": views}
        outputs_s = arm["outputs_s"] * views / context.recipe.distill.views
        epochs = max(1, round((SECONDS - outputs_s) / arm["epoch_s"]))
        made = train(arm, epochs=epochs, seed=TUNING_SEED, context=context, store=store)
        told = {"views": views, "epochs": epochs, "validation_accuracy": made.accuracy}
        tried.append(told)
        print(f"  {views} views, {epochs} epochs: {100 * made.accuracy:.2f} %", flush=True)
    return _line({"kind": "tuning found", "seed": TUNING_SEED}, {"tried": tried}, started)


def loss_line(there: Mapping[str, Mapping[str, Any]], store: Store) -> dict[str, Any]:
    """The found student with the losses that the recipe does not have, else as it was best."""
    context, started, tried = context_of(store), time.monotonic(), []
    for name in list(LOSSES)[1:]:
        arm = found_arm(there, name)
        made = train(arm, epochs=arm["epochs"], seed=TUNING_SEED, context=context, store=store)
        tried.append({"loss": name, "validation_accuracy": made.accuracy})
        print(f"  {name}: {100 * made.accuracy:.2f} %", flush=True)
    return _line({"kind": "tuning loss", "seed": TUNING_SEED}, {"tried": tried}, started)


def found_arm(there: Mapping[str, Mapping[str, Any]], loss: str) -> dict[str, Any]:
    """The found student with the views that were best, taught by one of LOSSES."""
    best = best_of(there["tuning found"])
    about = {"views": best["views"], "epochs": best["epochs"], "loss": LOSSES[loss]}
    return {**there["plan"]["arms"][FOUND], **about}


def best_of(tuning: Mapping[str, Any]) -> dict[str, Any]:
    """What of a tuning unit is best on validation."""
    found: dict[str, Any] = max(tuning["tried"], key=lambda one: float(one["validation_accuracy"]))
    return found


def best_loss(done: Sequence[Mapping[str, Any]]) -> str:
    """The best of LOSSES on validation, by the tuning units that are there."""
    there = {one["kind"]: one for one in done}
    if "tuning loss" not in there:
        return "kd"
    other, own = best_of(there["tuning loss"]), best_of(there["tuning found"])
    better = other["validation_accuracy"] > own["validation_accuracy"]
    return str(other["loss"]) if better else "kd"


def seed_line(
    kind: str, seed: int, there: Mapping[str, Mapping[str, Any]], store: Store
) -> dict[str, Any]:
    """The found student and the best rival of either kind, from one seed. there: a line by kind;
    kind: `seed`, taught as the recipe says, or `seed dkd`."""
    context, started, trained = context_of(store), time.monotonic(), []
    planned = there["plan"]["arms"]
    arms = {FOUND: found_arm(there, kind.removeprefix("seed").strip() or "kd")}
    for name, rate in best_rivals(there["tuning"]).items():
        arms[name] = {**planned[name], "learning_rate": rate}
    for name, arm in arms.items():
        epochs = arm["epochs"]
        made = train(arm, epochs=epochs, seed=seed, context=context, store=store)
        told = {"name": name, "epochs": epochs, "train_s": round(made.train_s, 1)}
        told |= {"validation_accuracy": made.accuracy, "test_answers": made.answers}
        trained.append(told)
        print(f"  {name}: {100 * made.accuracy:.2f} % after {epochs} epochs", flush=True)
    return _line({"kind": kind, "seed": seed}, {"arms": trained}, started)


def best_rivals(tuning: Mapping[str, Any]) -> dict[str, float]:
    """The best of either kind on validation -> its learning rate."""
    best = {}
    for kind in RATES:
        tried = [one for one in tuning["tried"] if kind_of(one["name"]) == kind]
        found = max(tried, key=lambda one: float(one["validation_accuracy"]))
        best[str(found["name"])] = float(found["learning_rate"])
    return best


def _line(unit: Mapping[str, Any], found: Mapping[str, Any], started: float) -> dict[str, Any]:
    seconds = round(time.monotonic() - started, 1)
    return {**unit, **found, "seconds": seconds, "machine": dict(machine_fingerprint())}


def units(done: Sequence[Mapping[str, Any]]) -> list[tuple[str, int | None]]:
    """All units in their order, as far as those that are done say what comes: kind and seed."""
    first = ("plan", None), ("tuning", TUNING_SEED), ("tuning found", TUNING_SEED)
    loss = best_loss(done)
    own = [] if loss == "kd" else [(f"seed {loss}", seed) for seed in SEEDS]
    return [*first, *(("seed", seed) for seed in SEEDS), ("tuning loss", TUNING_SEED), *own]


def read_done() -> list[dict[str, Any]]:
    """The units that are there."""
    lines = RESULTS.read_text().splitlines() if RESULTS.exists() else []
    return [json.loads(line) for line in lines]


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--found", type=Path, help="a finished run of auto.yaml, for the plan")
    parser.add_argument("--minutes", type=float, default=float("inf"))
    parser.add_argument("--seed", type=int, choices=SEEDS, help="this one alone, beside others")
    parser.add_argument("--table", action="store_true")
    chosen = parser.parse_args()
    began = time.monotonic()
    with open_store(ROOT / ".distil") as store:
        while not chosen.table and time.monotonic() - began <= 60 * chosen.minutes:
            done = read_done()
            there_is = {(one["kind"], one.get("seed")) for one in done}
            left = [unit for unit in units(done) if unit not in there_is]
            if chosen.seed is not None:
                left = [one for one in left if one[0].startswith("seed") and one[1] == chosen.seed]
            if not left:
                break
            kind, seed = left[0]
            print(kind if seed is None else f"{kind}, seed {seed}", flush=True)
            there = {one["kind"]: one for one in done}
            if kind == "plan":
                if chosen.found is None:
                    parser.error("give --found RUN: there is no plan yet")
                line = plan_line(chosen.found, store)
            elif kind == "tuning":
                line = tuning_line(there["plan"], store)
            elif kind == "tuning found":
                line = found_line(there["plan"], store)
            elif kind == "tuning loss":
                line = loss_line(there, store)
            else:
                line = seed_line(kind, int(seed or 0), there, store)
            with RESULTS.open("ab", buffering=0) as stream:
                stream.write(f"{json.dumps(line)}\n".encode())
    from against_table import table  # beside this file

    print(table(read_done(), seeds=len(SEEDS)))


if __name__ == "__main__":
    main()
