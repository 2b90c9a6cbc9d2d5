"""The table of study.py: means over seeds, paired intervals, McNemar's counts on test."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from compress.pipeline.run import prepare
from compress.recipe.load import load_recipe
from compress.search.advice import paired_interval

HERE = Path(__file__).resolve().parent
CONTROLS = ("labels", "label smoothing", "labels, mixup")
Answers = NDArray[np.uint8]


def table(done: Sequence[Mapping[str, Any]], *, planned: int) -> str:
    """Markdown: a table per regime, and what was found. Test is read when all units are there."""
    lines = [f"{len(done)} of {planned} units.", ""]
    regimes = dict.fromkeys(unit["regime"] for unit in done)
    labels = _test_labels() if len(done) >= planned else None
    for regime in regimes:
        arms = [unit for unit in done if unit["regime"] == regime and unit["kind"] == "arms"]
        lines += [f"## {regime}", ""]
        if not arms:
            lines += ["No seed is complete.", ""]
            continue
        lines += [*_regime(arms, labels), ""]
        for kind in ("hint", "hint at 100", "at 4x", "mixup", "label share"):
            extra = [u for u in done if u["regime"] == regime and u["kind"] == kind]
            lines += _extra(kind, extra)
    return "\n".join(lines)


def _regime(units: Sequence[Mapping[str, Any]], labels: NDArray[np.int64] | None) -> list[str]:
    validation = _scores(units)
    names = list(validation)
    control = max(CONTROLS, key=lambda name: float(np.mean(validation[name])))
    lines = [
        f"{len(units)} paired seeds; differences are to the best control, {control}. Intervals are",
        "Student's t over seeds, 95 %, widened by Bonferroni over the methods.",
        "",
        "| arm | validation | difference | 95 % interval |",
        "| --- | --: | --: | --: |",
    ]
    methods = [name for name in names if name not in CONTROLS]
    for name in names:
        mean = f"{100 * np.mean(validation[name]):.2f} %"
        if name in CONTROLS:
            lines.append(f"| {name} (control) | {mean} | | |")
            continue
        apart = [a - b for a, b in zip(validation[name], validation[control], strict=True)]
        lines.append(
            f"| {name} | {mean} | {_pp(float(np.mean(apart)))} | {_shown(apart, methods)} |"
        )
    chosen = max(methods, key=lambda name: float(np.mean(validation[name])))
    lines += ["", *_nothing(validation, control, methods), f"Chosen on validation: **{chosen}**."]
    if labels is None:
        return [*lines, "Test is read when all units are there."]
    return [*lines, *_on_test(units, chosen, control, labels)]


def _nothing(
    validation: Mapping[str, Sequence[float]], control: str, methods: Sequence[str]
) -> list[str]:
    """Which methods can't be told from the control, in words."""
    same = []
    for name in methods:
        apart = [a - b for a, b in zip(validation[name], validation[control], strict=True)]
        if len(apart) > 1:
            low, high = paired_interval(apart, comparisons=len(methods))
            same += [name] if low <= 0 <= high else []
    return [f"Not told from {control} by these seeds: {', '.join(same)}."] if same else []


def _on_test(
    units: Sequence[Mapping[str, Any]], chosen: str, control: str, labels: NDArray[np.int64]
) -> list[str]:
    """The method that validation chose, on test: paired by seed, and McNemar's counts."""
    apart, lost, gained = [], 0, 0
    for unit in units:
        right, before = (_answers(unit, name) == labels for name in (chosen, control))
        apart.append(float(right.mean() - before.mean()))
        lost += int((before & ~right).sum())
        gained += int((~before & right).sum())
    found = f"{_pp(float(np.mean(apart)))}, 95 % interval {_shown(apart, ['one'])}"
    means = ", ".join(
        f"{name} {100 * np.mean([(_answers(unit, name) == labels).mean() for unit in units]):.2f} %"
        for name in _scores(units)
    )
    return [
        f"On test, against {control}: {found}; over all seeds {gained} answers are gained and "
        f"{lost} lost.",
        "",
        f"Means on test, of which nothing was chosen: {means}.",
    ]


def _extra(kind: str, units: Sequence[Mapping[str, Any]]) -> list[str]:
    """Pairs of arms, each beside what it is held against."""
    lines: list[str] = []
    names = list(_scores(units))
    for first, second in zip(names[::2], names[1::2], strict=True):
        before, after = (_scores(units)[name] for name in (first, second))
        line = (
            f"{kind}, {len(units)} seeds, validation: {first} {100 * np.mean(before):.2f} %, "
            f"{second} {100 * np.mean(after):.2f} %"
        )
        if len(units) > 1:
            apart = [b - a for a, b in zip(before, after, strict=True)]
            mean, shown = _pp(float(np.mean(apart))), _shown(apart, ["one"])
            line += f"; difference {mean}, 95 % interval {shown}"
        lines += [line + ".", ""]
    return lines


def _scores(units: Sequence[Mapping[str, Any]]) -> dict[str, list[float]]:
    found: dict[str, list[float]] = {}
    for unit in sorted(units, key=lambda one: one["seed"]):
        for arm in unit["arms"]:
            found.setdefault(arm["name"], []).append(arm["validation_accuracy"])
    return found


def _answers(unit: Mapping[str, Any], name: str) -> Answers:
    text = next(arm["test_answers"] for arm in unit["arms"] if arm["name"] == name)
    return np.frombuffer(base64.b85decode(text), dtype=np.uint8)


def _test_labels() -> NDArray[np.int64]:
    loaded = load_recipe(HERE / "study.yaml")
    task = prepare(loaded, cache=HERE.parents[1] / ".distil").task
    return task.test().labels


def _shown(apart: Sequence[float], methods: Sequence[str]) -> str:
    if len(apart) < 2:
        return "one seed"
    low, high = paired_interval(apart, comparisons=len(methods))
    return f"{_pp(low)} to {_pp(high)}"


def _pp(value: float) -> str:
    return f"{100 * value:+.2f} pp"
