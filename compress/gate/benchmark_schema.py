"""A measurement in the schema of pytest-benchmark's own files, so that its dashboards read it.

`machine_info`, `commit_info` and `benchmarks`, each with `stats` in seconds, as `--benchmark-json`
of pytest-benchmark 5 writes them. One row per subject and setting; a round is one call.
"""

from __future__ import annotations

import platform
import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks.values import Cell, Measured

SCHEMA_VERSION = "5.1.0"


def as_benchmarks(
    measured: Measured, *, created_at: str, commit: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """The document; cells without raw samples are left out. created_at: ISO 8601."""
    rows = [
        _row(measurement.subject, measurement.digest, cell)
        for measurement in measured.measurements
        for cell in measurement.cells
        if any(cell.latency.samples_ns)
    ]
    environment = measured.environment
    return {
        "machine_info": {
            "node": "",
            "processor": environment.cpu_model,
            "machine": environment.platform.split(" ")[-1] or platform.machine(),
            "python_compiler": "",
            "python_implementation": platform.python_implementation(),
            "python_implementation_version": environment.python,
            "python_version": environment.python,
            "python_build": ["", ""],
            "release": "",
            "system": environment.platform.split(" ")[0],
            "cpu": {
                "brand_raw": environment.cpu_model,
                "count": environment.allowed_cpus,
                "flags": list(environment.cpu_flags),
            },
        },
        "commit_info": dict(commit or _NO_COMMIT),
        "benchmarks": rows,
        "datetime": created_at,
        "version": SCHEMA_VERSION,
    }


_NO_COMMIT = {
    "id": "unversioned",
    "time": None,
    "author_time": None,
    "dirty": False,
    "error": None,
    "project": "distil",
    "branch": "(unknown)",
}


def _row(subject: str, digest: str, cell: Cell) -> dict[str, Any]:
    setting = cell.setting
    where = f"{setting.device}-batch{setting.batch}-threads{setting.threads}"
    params = {"device": setting.device, "batch": setting.batch, "threads": setting.threads}
    name = f"latency[{subject}-{where}]"
    return {
        "group": where,
        "name": name,
        "fullname": f"distil::{name}",
        "params": params,
        "param": where,
        "extra_info": {
            "subject": subject,
            "sha256": digest,
            "processes": len(cell.latency.samples_ns),
        },
        "options": {
            "disable_gc": True,
            "timer": "perf_counter",
            "min_rounds": 1,
            "max_time": 0.0,
            "min_time": 0.0,
            "warmup": True,
        },
        "stats": _stats([ns / 1e9 for epoch in cell.latency.samples_ns for ns in epoch]),
    }


def _stats(seconds: Sequence[float]) -> dict[str, Any]:
    """Its names. Outliers by its two rules: one deviation from the mean; 1.5 quartile ranges."""
    ordered = sorted(seconds)
    mean = statistics.fmean(ordered)
    deviation = statistics.stdev(ordered) if len(ordered) > 1 else 0.0
    median = statistics.median(ordered)
    if len(ordered) > 1:
        first, _, third = statistics.quantiles(ordered, n=4, method="inclusive")
    else:
        first = third = median
    low, high = first - 1.5 * (third - first), third + 1.5 * (third - first)
    inside = [value for value in ordered if low <= value <= high]
    by_deviation = sum(abs(value - mean) > deviation for value in ordered)
    by_range = len(ordered) - len(inside)
    return {
        "min": ordered[0],
        "max": ordered[-1],
        "mean": mean,
        "stddev": deviation,
        "rounds": len(ordered),
        "median": median,
        "iqr": third - first,
        "q1": first,
        "q3": third,
        "iqr_outliers": by_range,
        "stddev_outliers": by_deviation,
        "outliers": f"{by_deviation};{by_range}",
        "ld15iqr": inside[0],
        "hd15iqr": inside[-1],
        "ops": 1 / mean,
        "total": sum(ordered),
        "data": list(seconds),
        "iterations": 1,
    }
