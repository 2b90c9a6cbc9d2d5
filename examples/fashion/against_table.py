"""The table of against.py: the best rival of either kind by validation, held against on test."""

from __future__ import annotations

import base64
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from compress.pipeline.run import prepare
from compress.recipe.load import load_recipe

HERE = Path(__file__).resolve().parent
FOUND, KINDS = "found", {"pruned": "uniformly pruned", "by hand": "by hand"}
MUST = 0.003


def table(done: Sequence[Mapping[str, Any]], *, seeds: int) -> str:
    """Markdown. Test is read when all seeds are there."""
    plan = next((one for one in done if one["kind"] == "plan"), None)
    units = sorted((one for one in done if one["kind"] == "seed"), key=lambda one: one["seed"])
    if plan is None:
        return "There is no plan yet."
    lines = [f"{len(units)} of {seeds} seeds.", "", "| arm | epochs | time | validation |"]
    lines.append("| --- | --: | --: | --: |")
    mean = {name: np.mean(_validation(units, name)) if units else math.nan for name in plan["arms"]}
    for name, arm in plan["arms"].items():
        time = arm["time_by_found"]
        told = (
            "1"
            if time is None
            else f"{time['ratio']:.3f} ({time['low']:.3f} to {time['high']:.3f})"
        )
        lines.append(f"| {name} | {arm['epochs']} | {told} | {100 * mean[name]:.2f} % |")
    if len(units) < seeds:
        return "\n".join([*lines, "", "Test is read when all seeds are there."])
    labels = _test_labels()
    for kind, words in KINDS.items():
        rival = max((n for n in mean if n.startswith(kind)), key=lambda name: mean[name])
        right = [_right(unit, FOUND, labels) - _right(unit, rival, labels) for unit in units]
        gain, low, high = interval(np.stack(right))
        met = "met" if gain >= MUST and low > 0 else "NOT met"
        lines += [
            "",
            f"Best {words} by validation: **{rival}**. On test the found student is "
            f"{100 * gain:+.2f} pp better, 95 % interval {100 * low:+.2f} to {100 * high:+.2f} pp "
            f"(must: +{100 * MUST:g} pp, above zero): {met}.",
        ]
    return "\n".join(lines)


def interval(apart: NDArray[np.float64]) -> tuple[float, float, float]:
    """Mean and 95 % interval over seeds and samples. apart: (seeds, samples) of -1, 0, 1.

    The variance of both clusters adds up; Student's t with as many degrees of freedom as the seeds
    leave, so it is rather too wide.
    """
    seeds, samples = apart.shape
    by_seed, by_sample = apart.mean(axis=1), apart.mean(axis=0)
    variance = by_seed.var(ddof=1) / seeds + by_sample.var(ddof=1) / samples
    half = float(stats.t.ppf(0.975, seeds - 1)) * math.sqrt(variance)
    mean = float(apart.mean())
    return mean, mean - half, mean + half


def _validation(units: Sequence[Mapping[str, Any]], name: str) -> list[float]:
    return [
        arm["validation_accuracy"] for unit in units for arm in unit["arms"] if arm["name"] == name
    ]


def _right(unit: Mapping[str, Any], name: str, labels: NDArray[np.int64]) -> NDArray[np.float64]:
    text = next(arm["test_answers"] for arm in unit["arms"] if arm["name"] == name)
    answers = np.frombuffer(base64.b85decode(text), dtype=np.uint8)
    return (answers == labels).astype(np.float64)


def _test_labels() -> NDArray[np.int64]:
    loaded = load_recipe(HERE / "recipe.yaml")
    return prepare(loaded, cache=HERE.parents[1] / ".distil").task.test().labels
