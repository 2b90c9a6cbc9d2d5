"""Which CPUs the processes of one epoch share."""

from __future__ import annotations

import os
import random
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.epochs import run_epoch
from benchmarks.pace import Pace
from benchmarks.placement import choose, place, quiet_cpus
from benchmarks.process import WorkerProcess
from benchmarks.staging import open_subjects, staged

ALONE = {cpu: frozenset({cpu}) for cpu in range(4)}
PAIRS = {cpu: frozenset({cpu, cpu ^ 1}) for cpu in range(4)}  # two threads to a core
ALLOWED = os.sched_getaffinity(0)
needs_a_choice = pytest.mark.skipif(len(ALLOWED) < 2, reason="one allowed CPU")


def test_an_idle_machine_gives_its_last_cpu() -> None:
    assert choose(1, dict.fromkeys(range(4), 0.0), ALONE) == {3}


def test_a_busy_cpu_is_avoided() -> None:
    assert choose(1, {0: 0.0, 1: 0.0, 2: 0.0, 3: 1.0}, ALONE) == {2}
    assert choose(1, {0: 1.0, 1: 0.9, 2: 1.0, 3: 1.0}, ALONE) == {1}


def test_threads_get_cores_of_their_own() -> None:
    assert choose(2, dict.fromkeys(range(4), 0.0), PAIRS) == {3, 1}
    assert choose(3, dict.fromkeys(range(4), 0.0), PAIRS) == {3, 1, 2}


def test_a_busy_neighbour_on_the_core_counts() -> None:
    assert choose(1, {0: 0.0, 1: 0.0, 2: 1.0, 3: 0.0}, PAIRS) == {1}


@given(
    use=st.lists(st.floats(0, 1), min_size=4, max_size=4),
    threads=st.integers(1, 3),
    siblings=st.sampled_from([ALONE, PAIRS]),
)
def test_as_many_as_asked_and_no_busy_one_before_a_free_one(
    use: list[float], threads: int, siblings: dict[int, frozenset[int]]
) -> None:
    shares = dict(enumerate(use))
    found = choose(threads, shares, siblings)
    assert len(found) == threads
    free = {cpu for cpu, share in shares.items() if share <= 0.3}
    assert len(found & free) == min(threads, len(free))


def test_nothing_to_choose_changes_nothing() -> None:
    assert quiet_cpus(len(ALLOWED)) is None
    place(os.getpid(), None)
    assert os.sched_getaffinity(0) == ALLOWED


def machine(root: Path, *counts: str) -> Path:
    (root / "proc").mkdir(parents=True)
    lines = ["cpu  0 0 0 0 0 0 0 0", *(f"cpu{n} {count}" for n, count in enumerate(counts))]
    (root / "proc" / "stat").write_text("\n".join(lines))
    return root


@needs_a_choice
def test_a_machine_that_can_not_be_read_changes_nothing(tmp_path: Path) -> None:
    assert quiet_cpus(1, window_s=0, root=tmp_path) is None
    assert quiet_cpus(1, window_s=0, root=machine(tmp_path / "odd", "a b")) is None
    short = ["1 2 3 4"] * (max(ALLOWED) + 1)
    assert quiet_cpus(1, window_s=0, root=machine(tmp_path / "short", *short)) is None


@needs_a_choice
def test_what_can_be_read_is_used(tmp_path: Path) -> None:
    still = ["1 2 3 4 5 6 7 8 0 0"] * (max(ALLOWED) + 1)
    assert quiet_cpus(1, window_s=0, root=machine(tmp_path / "m", *still)) == {max(ALLOWED)}


@needs_a_choice
def test_the_processes_of_an_epoch_share_a_cpu(
    make_model: Callable[..., Path], hurried: Pace, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[set[int]] = []
    ask = WorkerProcess.ask

    def watch(self: WorkerProcess, op: str, **fields: object) -> dict[str, object]:
        if op == "time":
            seen.append(os.sched_getaffinity(self.pid))
        return ask(self, op, **fields)

    monkeypatch.setattr(WorkerProcess, "ask", watch)
    files = {name: make_model(name, seed=seed) for seed, name in enumerate(("one", "two"))}
    with staged(open_subjects(files), inputs=np.ones((1, 4), np.float32), batches=[1]) as subjects:
        run_epoch(
            subjects,
            device="cpu",
            threads=1,
            calls={(0, 1): 2, (1, 1): 2},
            rounds={1: 2},
            rng=random.Random(0),
            pace=hurried,
        )
    assert len(seen) == 4
    assert all(cpus == seen[0] and len(cpus) == 1 for cpus in seen)
    assert os.sched_getaffinity(0) == ALLOWED  # ours is as it was
