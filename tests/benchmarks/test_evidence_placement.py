"""What is kept of where workers run: read back, and one epoch of each kind."""

from __future__ import annotations

import os
import random
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from benchmarks.evidence.lines import read_lines
from benchmarks.evidence.placement import PLACEMENTS, RESULTS, deviation, one_epoch
from benchmarks.process import WorkerProcess
from benchmarks.staging import open_subjects, staged


def test_one_cpu_for_both_workers_halves_what_an_epoch_varies_by() -> None:
    lines = read_lines(RESULTS)
    assert [line["unit"] for line in lines] == ["twin-0", "twin-2"]
    for line in lines:
        assert len(line["epochs"]) == 72
        assert (
            deviation(line["epochs"], "workers", 10)
            < deviation(line["epochs"], "scheduler", 10) / 2
        )


@pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="one allowed CPU")
@pytest.mark.slow
def test_an_epoch_of_each_kind_runs_where_it_says(
    make_model: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    allowed = os.sched_getaffinity(0)
    last = {max(allowed)}
    seen: list[tuple[set[int], set[int]]] = []  # (ours, a worker's)
    ask = WorkerProcess.ask

    def watch(self: WorkerProcess, op: str, **fields: object) -> dict[str, object]:
        if op == "time":
            seen.append((os.sched_getaffinity(0), os.sched_getaffinity(self.pid)))
        return ask(self, op, **fields)

    monkeypatch.setattr(WorkerProcess, "ask", watch)
    files = {name: make_model(name, seed=seed) for seed, name in enumerate(("one", "two"))}
    due = {"scheduler": (allowed, allowed), "workers": (allowed - last, last), "all": (last, last)}
    with staged(open_subjects(files), inputs=np.ones((1, 4), np.float32), batches=[1]) as subjects:
        for placement in PLACEMENTS:
            seen.clear()
            found = one_epoch(subjects, placement, random.Random(0))
            assert len(found["a"]) == len(found["b"]) == 20
            assert seen == [due[placement]] * 40
            assert os.sched_getaffinity(0) == allowed
