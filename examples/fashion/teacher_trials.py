"""Tries sizes for the teacher, smallest first, and stops a trial whose curve can't reach the goal.

    python examples/fashion/teacher_trials.py teacher_tiny teacher_small

A trial follows teacher.yaml with another `student.target`. After each epoch its validation accuracy
is held against the curve of the shipped teacher (teacher-log.jsonl, one line per epoch): what that
one still gained from the same epoch to its end, and MARGIN more, is added; below GOAL the trial is
stopped. Every finished trial is a line in docs/results/fashion-teacher-trials.jsonl and is skipped
when it is there.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path

from benchmarks.environment import machine_fingerprint
from compress.distill.launch import launch
from compress.pipeline.run import prepare
from compress.pipeline.stages.training import training_spec
from compress.recipe.load import load_recipe
from exporters.events import Event

HERE = Path(__file__).resolve().parent
RESULTS = HERE.parents[1] / "docs" / "results" / "fashion-teacher-trials.jsonl"
GOAL = 0.954
MARGIN = 0.003  # one standard error of an accuracy near 95 % on 5,000 samples
FIRST_JUDGED_EPOCH = 3  # 0-based: before, the averaged weights still remember the start


class OutOfReach(Exception):
    """The curve of a trial can't reach the goal any more."""


def reference_curve() -> list[float]:
    lines = (HERE / "teacher-log.jsonl").read_text().splitlines()
    return [json.loads(line)["validation_accuracy"] for line in lines]


def best_case(curve: list[float], reference: list[float]) -> float:
    """What a trial would end at if it still gained what the reference did, and MARGIN more."""
    here = len(curve) - 1
    return curve[-1] + (reference[-1] - reference[here]) + MARGIN


def run_trial(size: str) -> dict[str, object]:
    loaded = load_recipe(HERE / "teacher.yaml", overrides=(f"student.target=model.py:{size}",))
    reference, curve = reference_curve(), []

    def watch(event: Event) -> None:
        if event.kind != "epoch":
            return
        print(f"{size}: {event.message}", flush=True)
        curve.append(event.data["validation_accuracy"])
        if event.data["epoch"] >= FIRST_JUDGED_EPOCH and best_case(curve, reference) < GOAL:
            raise OutOfReach

    with tempfile.TemporaryDirectory() as folder:
        cache = HERE.parents[1] / ".distil"
        context = prepare(loaded, cache=cache)
        spec = training_spec(context, work=Path(folder), precision="float32")
        stopped = None
        try:
            launch(spec, on_event=watch)
        except OutOfReach:
            stopped = f"could end at {100 * best_case(curve, reference):.2f} % at best"
    return {
        "size": size,
        "epochs": len(curve),
        "of": loaded.recipe.distill.epochs,
        "validation_accuracy": curve,
        "stopped": stopped,
        "machine": dict(machine_fingerprint()),
    }


def main(sizes: list[str]) -> None:
    done = set()
    if RESULTS.exists():
        done = {json.loads(line)["size"] for line in RESULTS.read_text().splitlines()}
    for size in sizes:
        if size in done:
            print(f"{size}: already in {RESULTS.name}")
            continue
        line = run_trial(size)
        with RESULTS.open("a") as stream:
            stream.write(json.dumps(line) + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])
