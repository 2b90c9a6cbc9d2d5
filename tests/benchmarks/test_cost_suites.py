"""The suites of what training costs, at a tiny setting: numbers of equal work come out of them."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from torch import nn

from benchmarks.suites import test_training_cost as costs

STEPS, BLOCKS, BATCH = 2, 6, 2  # the fewest that give a time, and an interval


@pytest.fixture
def steps_of(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[Counter[str]]:
    """One count of training steps, by the network's name, for each network that is made."""
    made: list[Counter[str]] = []
    factory = costs._factory

    def counted(name: str) -> nn.Module:
        module, count = factory("student"), Counter[str]()  # the teacher's size is of no interest
        made.append(count)

        def note(network: nn.Module, inputs: Any, output: Any) -> None:
            count[name] += network.training

        module.register_forward_hook(note)
        return module

    for constant, value in (("STEPS", STEPS), ("BLOCKS", BLOCKS), ("BATCH", BATCH)):
        monkeypatch.setattr(costs, constant, value)
    monkeypatch.setattr(costs, "_factory", counted)
    monkeypatch.setenv("DISTIL_COST_RESULTS", str(tmp_path / "costs.jsonl"))
    monkeypatch.delenv("DISTIL_ASSERT_COST", raising=False)
    return made


def stored_as(dtype: str) -> Callable[[Path], None]:
    return lambda folder: costs.test_a_step_with_stored_outputs_against_labels_alone(folder, dtype)


@pytest.mark.parametrize(
    ("run", "name"),
    [
        (
            lambda _: costs.test_a_step_of_the_engine_against_a_plain_loop(),
            "engine step / plain PyTorch step",
        ),
        (stored_as("float32"), "stored outputs, float32 / labels alone"),
        (stored_as("float16"), "stored outputs, float16 / labels alone"),
        (
            lambda _: costs.test_a_step_with_the_teacher_in_the_loop(),
            "teacher in the loop / labels alone",
        ),
    ],
)
def test_a_ratio_comes_out_of_equal_steps_of_both_sides(
    steps_of: list[Counter[str]], tmp_path: Path, run: Any, name: str
) -> None:
    run(tmp_path)
    (line,) = (tmp_path / "costs.jsonl").read_text().splitlines()
    row = json.loads(line)
    assert (row["ratio_of"], row["pairs"], row["steps"], row["batch"]) == (
        name,
        BLOCKS,
        STEPS,
        BATCH,
    )
    assert all(math.isfinite(row[key]) and row[key] > 0 for key in ("low", "ratio", "high"))
    assert row["low"] <= row["ratio"] <= row["high"]
    students = [count["student"] for count in steps_of if count["student"]]
    assert students == [STEPS] * 2 * (1 + BLOCKS)  # one warm block of each side
