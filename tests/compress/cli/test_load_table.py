"""The table of `distil bench --load`: an empty model stands beside what takes less than 1 ms."""

from __future__ import annotations

import dataclasses
import io

from rich.console import Console

from benchmarks.environment import read_environment
from benchmarks.values import Load, LoadPoint, Setting
from compress.cli.bench_load import load_table


def _point(rate: float, p50_ms: float) -> LoadPoint:
    return LoadPoint(
        offered_per_s=rate,
        achieved_per_s=rate,
        unserved=0,
        p50_ms=p50_ms,
        p99_ms=2 * p50_ms,
        samples_ns=(round(p50_ms * 1e6),) * 700,
    )


def _shown(found: Load) -> list[list[str]]:
    console = Console(width=80, file=io.StringIO())
    console.print(load_table(found))
    assert isinstance(console.file, io.StringIO)
    rows = [line.split() for line in console.file.getvalue().splitlines() if line.strip()]
    return [rows[0], *rows[2:]]  # between the head and the rows is a rule


def test_an_empty_model_stands_beside_a_latency_below_a_millisecond() -> None:
    found = Load(
        environment=read_environment(),
        subject="m.onnx",
        setting=Setting(device="cpu", threads=1, batch=1),
        sessions=1,
        capacity_per_s=1000.0,
        points=(_point(300, 0.25), _point(900, 4.0)),
        seed=0,
        floor_ms=0.0062,
    )
    head, low, high = _shown(found)
    assert head == ["offered", "of", "capacity", "served", "p50", "empty", "p99", "requests"]
    assert low[5:11] == ["0.250", "ms", "6.20", "us", "0.500", "ms"]
    assert high[5:9] == ["4.00", "ms", "8.00", "ms"]
    without = dataclasses.replace(found, floor_ms=None)
    assert "empty" not in _shown(without)[0]
