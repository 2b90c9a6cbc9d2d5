"""How many nodes a GPU may leave to the CPU is told to every process that opens a model."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.compare import quick_compare
from benchmarks.pace import Pace
from benchmarks.process import WorkerProcess
from benchmarks.screening import Screen

ROWS = np.ones((1, 4), np.float32)


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The allowance of every session that real workers are asked to make."""
    found: list[int] = []
    ask = WorkerProcess.ask

    def noted(self: WorkerProcess, op: str, **fields: Any) -> dict[str, Any]:
        if op == "open":
            found.append(fields["cpu_nodes"])
        if op == "screen":
            found.append(fields["opening"]["cpu_nodes"])
        return ask(self, op, **fields)

    monkeypatch.setattr(WorkerProcess, "ask", noted)
    return found


def test_both_models_of_a_comparison_may_leave_as_many_nodes(
    opened: list[int], make_model: Callable[..., Path], hurried: Pace
) -> None:
    pair = make_model("one", seed=1), make_model("two", seed=2)
    quick_compare(
        *pair, inputs=ROWS, batch=1, threads=1, seed=0, cpu_nodes=3, most_epochs=1, pace=hurried
    )
    assert opened == [3] * 4  # memory of each, and an epoch of each
    quick_compare(*pair, inputs=ROWS, batch=1, threads=1, seed=0, most_epochs=1, pace=hurried)
    assert opened[4:] == [0] * 4


def test_screened_files_may_leave_as_many_as_their_reference(
    opened: list[int], make_model: Callable[..., Path]
) -> None:
    reference, other = make_model("one", seed=1), make_model("two", seed=2)
    with Screen(reference, inputs=ROWS, batches=[1], cpu_nodes=2) as screen:
        screen.measure(other)
    assert opened == [2, 2]
