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
WORDS = {"seed": "Taught by KD, as the recipe says", "seed dkd": "Taught by DKD"}
UNREAD = "Test is read when all seeds are there."


def table(done: Sequence[Mapping[str, Any]], *, seeds: int) -> str:
    """Markdown. Test is read when all seeds are there."""
    plan = next((one for one in done if one["kind"] == "plan"), None)
    tuning = next((one for one in done if one["kind"] == "tuning"), None)
    if plan is None:
        return "There is no plan yet."
    parts = [_closest(plan, tuning), *_tuned(done)]
    for kind in sorted({one["kind"] for one in done if one["kind"].startswith("seed")}):
        units = sorted((one for one in done if one["kind"] == kind), key=lambda one: one["seed"])
        parts += [f"## {WORDS[kind]}", f"{len(units)} of {seeds} seeds.", _trained(units)]
        parts += _judged(units) if len(units) == seeds else [UNREAD]
    return "\n\n".join(parts)


def _judged(units: Sequence[Mapping[str, Any]]) -> list[str]:
    """What test says of the found student beside either rival."""
    labels, parts = _test_labels(), []
    for kind, words in KINDS.items():
        rival = next(arm["name"] for arm in units[0]["arms"] if arm["name"].startswith(kind))
        right = [_right(unit, FOUND, labels) - _right(unit, rival, labels) for unit in units]
        gain, low, high = interval(np.stack(right))
        met = "met" if gain >= MUST and low > 0 else "NOT met"
        parts.append(
            f"Best {words} by the tuning unit: **{rival}**. On test the found student is "
            f"{100 * gain:+.2f} pp better, 95 % interval {100 * low:+.2f} to {100 * high:+.2f} pp "
            f"(must: +{100 * MUST:g} pp, above zero): {met}."
        )
    return parts


def _closest(plan: Mapping[str, Any], tuning: Mapping[str, Any] | None) -> str:
    """The rivals of the plan: their time by the found one's, and what tuning saw of them."""
    lines = ["| arm | epochs | time | tuning, by rate |", "| --- | --: | --: | --- |"]
    for name, arm in plan["arms"].items():
        time = arm["time_by_found"]
        told = "1" if time is None else "{ratio:.3f} ({low:.3f} to {high:.3f})".format(**time)
        tried = [one for one in (tuning or {"tried": ()})["tried"] if one["name"] == name]
        seen = ", ".join(
            f"{one['learning_rate']:g}: {100 * one['validation_accuracy']:.2f} %" for one in tried
        )
        lines.append(f"| {name} | {arm['epochs']} | {told} | {seen} |")
    return "\n".join(lines)


def _tuned(done: Sequence[Mapping[str, Any]]) -> list[str]:
    """What tuning saw of the found student."""
    tried = {one["kind"]: one["tried"] for one in done if one["kind"].startswith("tuning ")}
    views = [
        f"The found student with {one['views']} views of outputs and {one['epochs']} epochs: "
        f"{100 * one['validation_accuracy']:.2f} % on validation in tuning."
        for one in tried.get("tuning found", ())
    ]
    return views + [
        f"With the better of these and {one['loss'].upper()} in place of KD: "
        f"{100 * one['validation_accuracy']:.2f} %."
        for one in tried.get("tuning loss", ())
    ]


def _trained(units: Sequence[Mapping[str, Any]]) -> str:
    """Mean accuracy on validation and seconds of training of the arms of all seeds."""
    lines = ["| arm | epochs | training | validation |", "| --- | --: | --: | --: |"]
    for at, arm in enumerate(units[0]["arms"]):
        over = [unit["arms"][at] for unit in units]
        accuracy = 100 * np.mean([one["validation_accuracy"] for one in over])
        seconds = np.mean([one["train_s"] for one in over])
        lines.append(f"| {arm['name']} | {arm['epochs']} | {seconds:.0f} s | {accuracy:.2f} % |")
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


def _right(unit: Mapping[str, Any], name: str, labels: NDArray[np.int64]) -> NDArray[np.float64]:
    text = next(arm["test_answers"] for arm in unit["arms"] if arm["name"] == name)
    answers = np.frombuffer(base64.b85decode(text), dtype=np.uint8)
    return np.asarray(answers == labels, dtype=np.float64)


def _test_labels() -> NDArray[np.int64]:
    loaded = load_recipe(HERE / "recipe.yaml")
    return prepare(loaded, cache=HERE.parents[1] / ".distil").task.test().labels
