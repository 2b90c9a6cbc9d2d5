"""Many files against one reference: interleaved, exact under a fake clock, unmoved by bursts."""

from __future__ import annotations

import gc
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from benchmarks.screening import Screen, Screened, is_steady, steadiest
from benchmarks.timing import WarmUp, interleaved
from exporters.errors import DistilError
from exporters.export import export

RULE = WarmUp(min_calls=3, min_ns=0, max_ns=1)


class Clock:
    """Moves by what the calls say that they took."""

    def __init__(self) -> None:
        self.now = 0
        self.log: list[str] = []

    def __call__(self) -> int:
        return self.now

    def call(self, name: str, *lengths: int) -> object:
        turn = iter(lengths * 1000) if lengths else iter(())

        def run() -> None:
            self.log.append(name)
            self.now += next(turn)

        return run


def test_blocks_alternate_and_a_burst_moves_nothing() -> None:
    clock = Clock()
    slow = clock.call("reference", 8_000_000, 8_000_000, 8_000_000, 90_000_000)
    quick = clock.call("candidate", 1_000_000)
    found = interleaved(slow, quick, rule=RULE, rounds=4, clock_ns=clock)  # type: ignore[arg-type]
    assert found == {"reference": [8e6] * 4, "candidate": [1e6] * 4}
    order = [name for i, name in enumerate(clock.log) if i == 0 or clock.log[i - 1] != name]
    # Warm-ups of both, then AB BA AB BA, in which neighbours of one name run together.
    assert order == ["reference", "candidate"] * 3 + ["reference"]


@pytest.mark.parametrize(("slow_ms", "rounds"), [(1, 10), (100, 10), (400, 4), (5000, 4), (190, 9)])
def test_slow_calls_get_fewer_rounds_and_quick_ones_all(slow_ms: int, rounds: int) -> None:
    clock = Clock()
    slow, quick = clock.call("reference", slow_ms * 1_000_000), clock.call("candidate", 20_000_000)
    found = interleaved(
        slow,  # type: ignore[arg-type]
        quick,  # type: ignore[arg-type]
        rule=WarmUp(min_calls=1, min_ns=0, max_ns=1),
        rounds=10,
        most_ns=2_000_000_000,
        clock_ns=clock,
    )
    assert [len(blocks) for blocks in found.values()] == [rounds, rounds]
    assert len(clock.log) <= 2 + rounds * 21


def test_blocks_share_one_collection_of_garbage() -> None:
    clock, collected = Clock(), list[str]()
    slow, quick = clock.call("reference", 20_000_000), clock.call("candidate", 20_000_000)
    watch = lambda phase, about: collected.append(phase)  # noqa: E731
    gc.callbacks.append(watch)
    try:
        interleaved(slow, quick, rule=RULE, rounds=6, clock_ns=clock)  # type: ignore[arg-type]
    finally:
        gc.callbacks.remove(watch)
    assert collected.count("start") == 1
    assert gc.isenabled()


class Wide(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Linear(64, width), nn.ReLU(), nn.Linear(width, 4))

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        return self.body(rows)


def written(folder: Path, width: int) -> Path:
    path = folder / f"{width}.onnx"
    export(Wide(width).eval(), torch.zeros(2, 64), path=path, input_names=("rows",))
    return path


def test_one_warm_worker_takes_many_files_and_refuses_a_broken_one(tmp_path: Path) -> None:
    rows = np.random.default_rng(0).random((8, 64), dtype=np.float32)
    broken = tmp_path / "broken.onnx"
    broken.write_bytes(b"no model")
    with Screen(written(tmp_path, 4096), inputs=rows, batches=[1, 4]) as screen:
        small = screen.measure(written(tmp_path, 8))
        with pytest.raises(DistilError):
            screen.measure(broken)
        again = screen.measure(written(tmp_path, 16))
    for found in (small, again):
        assert set(found) == {1, 4}
        for one in found.values():
            assert one.low <= one.ratio <= one.high
            assert one.p50_ms > 0
            assert one.ratio == pytest.approx(one.p50_ms / one.reference_ms, rel=9.0)


def test_of_looks_at_a_busy_machine_the_steadiest_counts() -> None:
    # As seen of a text network: while something ran beside the reference, a candidate that takes
    # 0.36 of its time seemed to take 0.17.
    busy = Screened(p50_ms=3.0, reference_ms=17.4, ratio=0.17, low=0.153, high=0.244)
    calm = Screened(p50_ms=6.3, reference_ms=17.5, ratio=0.36, low=0.355, high=0.371)
    assert not is_steady(busy)
    assert is_steady(calm)
    assert steadiest([busy, calm, busy]) is calm


def test_memory_is_that_of_a_fresh_process_for_each_file(tmp_path: Path) -> None:
    rows = np.random.default_rng(0).random((8, 64), dtype=np.float32)
    wide, narrow = written(tmp_path, 65536), written(tmp_path, 8)
    with Screen(narrow, inputs=rows, batches=[1]) as screen:
        large, small = (screen.memory(path, batch=4) for path in (wide, narrow))
    # 64 x 65,536 and 65,536 x 4 numbers of 4 bytes are 17 MiB; the runtime keeps what it packs too.
    assert large.peak_delta_bytes - small.peak_delta_bytes > 17 * 2**20
    assert large.batch == small.batch == 4
