"""`distil bench --benchmark-json`: the times in a file that dashboards of pytest-benchmark read."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from benchmarks.values import Measured
from compress.errors import InputError
from compress.gate.benchmark_schema import as_benchmarks
from exporters.atomic import write_json


def refuse_benchmarks(path: Path | None) -> None:
    """InputError where a file is asked of --load, whose calls wait for each other."""
    if path is not None:
        what, cure = "does not go with --load", "leave one of the two out"
        raise InputError(what, where="--benchmark-json", cure=cure)


def write_benchmarks(measured: Measured, path: Path) -> None:
    """Every timed call of every model at every setting. Atomically."""
    write_json(path, as_benchmarks(measured, created_at=datetime.now(UTC).isoformat()))
