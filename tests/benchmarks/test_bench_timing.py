"""Timing under a fake clock is exact."""

from __future__ import annotations

import gc

import pytest

from benchmarks.timing import WarmUp, calls_per_block, time_calls, warm_up


class FakeClock:
    """A clock that moves only when the call under test runs."""

    def __init__(self, *durations_ns: int) -> None:
        self.now, self.calls, self.durations = 1_000, 0, durations_ns

    def __call__(self) -> int:
        return self.now

    def work(self) -> None:
        self.now += self.durations[min(self.calls, len(self.durations) - 1)]
        self.calls += 1


def test_every_timed_call_is_one_sample_and_warm_up_is_none() -> None:
    clock = FakeClock(900, 800, 30, 10, 20)
    assert time_calls(clock.work, warmup=2, rounds=3, clock_ns=clock) == (30, 10, 20)
    assert clock.calls == 5


def test_garbage_collection_is_off_inside_and_back_afterwards() -> None:
    seen: list[bool] = []
    assert gc.isenabled()
    time_calls(lambda: seen.append(gc.isenabled()), warmup=1, rounds=2)
    assert seen == [False] * 3
    assert gc.isenabled()


def test_garbage_collection_comes_back_after_an_error() -> None:
    def fail() -> None:
        raise RuntimeError

    with pytest.raises(RuntimeError):
        time_calls(fail, warmup=0, rounds=1)
    assert gc.isenabled()


def test_warm_up_ends_when_six_calls_agree() -> None:
    clock = FakeClock(100, 90, 60, 50, 50, 50, 50, 50, 50)
    rule = WarmUp(min_calls=5, min_ns=0, max_ns=10**9, tolerance=0.05)
    # medians of (3 before, last 3): (90, 50) (60, 50) (50, 50): the eighth call ends it
    assert warm_up(clock.work, rule, clock_ns=clock) == (100, 90, 60, 50, 50, 50, 50, 50)


def test_warm_up_lasts_its_least_time() -> None:
    clock = FakeClock(10)
    rule = WarmUp(min_calls=5, min_ns=300, max_ns=10**9)
    assert len(warm_up(clock.work, rule, clock_ns=clock)) == 30


def test_warm_up_gives_up_at_its_most_time() -> None:
    clock = FakeClock(*(2**n for n in range(30)))  # never settles
    rule = WarmUp(min_calls=5, min_ns=0, max_ns=1000)
    assert sum(warm_up(clock.work, rule, clock_ns=clock)) == 1023


@pytest.mark.parametrize(
    ("call_ns", "calls"),
    [(2_500_000, 8), (20_000_000, 1), (60_000_000, 1), (19_999_999, 2), (1, 2000), (0, 2000)],
)
def test_a_block_lasts_at_least_20_ms_within_2000_calls(call_ns: float, calls: int) -> None:
    assert calls_per_block(call_ns) == calls
