"""Requests at an offered rate: exact queues under a fake clock, then real sessions."""

from __future__ import annotations

import statistics
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from benchmarks.load import measure_load
from benchmarks.pace import Pace
from benchmarks.serving import arrivals, saturate, serve
from exporters.errors import InputError

ROWS = np.ones((2, 4), np.float32)
MS = 1_000_000


class Clock:
    """Time that passes only when somebody works or sleeps."""

    def __init__(self) -> None:
        self.now_ns = 5 * MS

    def read(self) -> int:
        return self.now_ns

    def sleep(self, seconds: float) -> None:
        self.now_ns += round(seconds * 1e9)

    def work(self) -> None:
        self.now_ns += 15 * MS


def test_a_queue_shows_in_the_latency_of_those_that_wait() -> None:
    """Arrivals each 10 ms, 15 ms of work: each waits 5 ms longer than the one before."""
    clock = Clock()
    at = [index * 10 * MS for index in range(6)]
    found = serve([clock.work], at, end_ns=10**12, clock_ns=clock.read, sleep=clock.sleep)
    assert [ns // MS for ns in found.latency_ns] == [15, 20, 25, 30, 35, 40]
    assert (found.unserved, found.seconds) == (0, pytest.approx(0.09))


def test_without_a_queue_latency_is_the_work_alone() -> None:
    clock = Clock()
    at = [index * 40 * MS for index in range(5)]
    found = serve([clock.work], at, end_ns=10**12, clock_ns=clock.read, sleep=clock.sleep)
    assert set(found.latency_ns) == {15 * MS}


def test_what_is_not_begun_in_time_counts_with_the_wait_so_far() -> None:
    clock = Clock()
    found = serve([clock.work], [0] * 10, end_ns=40 * MS, clock_ns=clock.read, sleep=clock.sleep)
    assert found.unserved == 7  # begun at 0, 15 and 30 ms
    assert found.latency_ns[3:] == (45 * MS,) * 7


def test_arrivals_are_a_seeded_poisson_process() -> None:
    at = arrivals(200, 4000, seed=3)
    assert at == arrivals(200, 4000, seed=3)
    assert list(at) == sorted(at)
    gaps = np.diff(np.array(at)) / 1e9
    assert statistics.mean(gaps) == pytest.approx(1 / 200, rel=0.06)
    assert statistics.pstdev(gaps) == pytest.approx(1 / 200, rel=0.08)  # as its mean


def test_sessions_share_the_requests_and_each_is_served_once() -> None:
    lock, served = threading.Lock(), [0, 0, 0]

    def session(place: int) -> Callable[[], None]:
        def call() -> None:
            with lock:
                served[place] += 1

        return call

    found = serve([session(place) for place in range(3)], [0] * 500, end_ns=10**12)
    assert sum(served) == 500
    assert len(found.latency_ns) == 500
    assert min(found.latency_ns) >= 0


def test_a_call_that_fails_is_raised_where_it_was_asked_for() -> None:
    def broken() -> None:
        raise RuntimeError("no such kernel")

    with pytest.raises(RuntimeError, match="no such kernel"):
        serve([broken], [0], end_ns=10**12)
    with pytest.raises(RuntimeError, match="no such kernel"):
        saturate([broken], seconds=0.01)


def test_saturation_counts_every_session() -> None:
    clock = Clock()
    assert saturate([clock.work], seconds=0.15, clock_ns=clock.read) == pytest.approx(1000 / 15)


def test_a_model_under_load_in_a_process_of_its_own(
    make_model: Callable[..., Path], hurried: Pace
) -> None:
    found = measure_load(
        make_model("served", layers=2), inputs=ROWS, rates=(300.0, 1000.0), sessions=2, batch=2,
        seconds=0.7, seed=4, pace=hurried,
    )  # fmt: skip
    assert (found.subject, found.sessions, found.setting.batch) == ("served.onnx", 2, 2)
    assert found.capacity_per_s > 0
    few, many = found.points
    assert (few.offered_per_s, len(few.samples_ns)) == (300.0, 662)  # until a p99 can be given
    assert len(many.samples_ns) == 700
    for point in found.points:
        assert point.p99_ms is not None
        assert point.p99_ms >= point.p50_ms > 0
        assert point.achieved_per_s > 0
    assert (found.floor_ms is not None) == (min(few.p50_ms, many.p50_ms) < 1)


@pytest.mark.parametrize("wrong", [{"sessions": 0}, {"seconds": 0.0}, {"rates": (-1.0,)}])
def test_a_load_that_makes_no_sense_is_refused(
    wrong: dict[str, object], make_model: Callable[..., Path]
) -> None:
    with pytest.raises(InputError):
        measure_load(make_model("wrong"), inputs=ROWS, seed=0, **wrong)  # type: ignore[arg-type]
