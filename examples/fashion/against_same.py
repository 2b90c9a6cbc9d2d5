"""The network that the search found, from its teacher and from labels alone, in equal seconds.

    python examples/fashion/against_same.py            # after against.py has its plan and tuning
    python examples/fashion/against_same.py --table

What of the difference that against.py finds is distillation's: the rival here is of the very same
latency, as if somebody had chosen the same widths by hand. Arms: KD as in against.py; DKD, which
study.py had first where all labels are there; labels alone, at the rate that was best for networks
by hand. A unit is one seed with all three in equal seconds of training, outputs included, 20
minutes of one CPU; it is a line of docs/results/fashion-against-same.jsonl and is skipped when
present. Compared on validation alone: it explains, and chooses nothing.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from against import LOSSES, SECONDS, best_rivals, found_arm, read_done  # beside this file
from against_arms import ROOT, context_of, train
from against_rivals import FOUND, kind_of
from scipy import stats

from benchmarks.environment import machine_fingerprint
from compress.store.store import Store, open_store

RESULTS = ROOT / "docs" / "results" / "fashion-against-same.jsonl"
SEEDS = range(3)
CONTROL = "labels"


def arms_of(there: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Name -> student, epochs, and how it is trained. there: a line of against.py by its kind."""
    planned = there["plan"]["arms"][FOUND]
    alone = round(SECONDS / planned["epoch_s"])
    rates = best_rivals(there["tuning"])
    rate = next(rate for name, rate in rates.items() if kind_of(name) == "by hand")
    taught = {name: found_arm(there, name) for name in LOSSES}
    return {**taught, CONTROL: {**planned, "learning_rate": rate, "epochs": alone}}


def seed_line(seed: int, store: Store) -> dict[str, Any]:
    """All arms of one seed."""
    context, started, trained = context_of(store), time.monotonic(), []
    there = {one["kind"]: one for one in read_done()}
    for name, arm in arms_of(there).items():
        made = train(arm, epochs=arm["epochs"], seed=seed, context=context, store=store)
        told = {"name": name, "epochs": arm["epochs"], "train_s": round(made.train_s, 1)}
        trained.append(told | {"validation_accuracy": made.accuracy})
        print(f"  {name}: {100 * made.accuracy:.2f} % after {arm['epochs']} epochs", flush=True)
    seconds = round(time.monotonic() - started, 1)
    machine = dict(machine_fingerprint())
    return {"seed": seed, "arms": trained, "seconds": seconds, "machine": machine}


def table(units: Sequence[Mapping[str, Any]]) -> str:
    """Markdown: means, and differences to labels alone with their interval."""
    names = [arm["name"] for arm in units[0]["arms"]]
    seen = {
        name: np.array([unit["arms"][at]["validation_accuracy"] for unit in units])
        for at, name in enumerate(names)
    }
    lines = [
        f"{len(units)} seeds, validation; differences to labels alone, 95 % (t over seeds).",
        "",
        "| arm | epochs | validation | difference |",
        "| --- | --: | --: | --: |",
    ]
    for at, name in enumerate(names):
        apart = 100 * (seen[name] - seen[CONTROL])
        told = ""
        if name != CONTROL and len(units) > 1:
            half = stats.t.ppf(0.975, len(units) - 1) * apart.std(ddof=1) / len(units) ** 0.5
            low, high = apart.mean() - half, apart.mean() + half
            told = f"{apart.mean():+.2f} pp ({low:+.2f} to {high:+.2f})"
        epochs = units[0]["arms"][at]["epochs"]
        lines.append(f"| {name} | {epochs} | {100 * seen[name].mean():.2f} % | {told} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--table", action="store_true")
    chosen = parser.parse_args()
    for seed in () if chosen.table else SEEDS:
        if seed in {unit["seed"] for unit in _there()}:
            continue
        print(f"seed {seed}", flush=True)
        with open_store(ROOT / ".distil") as store:
            line = seed_line(seed, store)
        with RESULTS.open("ab", buffering=0) as stream:
            stream.write(f"{json.dumps(line)}\n".encode())
    if units := _there():
        print(table(units))


def _there() -> list[dict[str, Any]]:
    lines = RESULTS.read_text().splitlines() if RESULTS.exists() else []
    return sorted((json.loads(line) for line in lines), key=lambda unit: int(unit["seed"]))


if __name__ == "__main__":
    main()
