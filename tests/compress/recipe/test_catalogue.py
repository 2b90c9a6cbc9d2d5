"""Budgets: each metric takes the limits that fit it, and says so."""

from __future__ import annotations

from typing import Any

import pytest

from compress.recipe.catalogue import METRICS, budget_limit, check_budget
from compress.recipe.nodes import Budget


def budget(**fields: Any) -> Budget:
    return Budget.model_validate({"id": "b", **fields})


@pytest.mark.parametrize(
    ("fields", "value"),
    [
        ({"metric": "file_bytes", "max": "12MiB"}, 12582912),
        ({"metric": "latency.p50", "max": "15ms"}, 0.015),
        ({"metric": "latency.p95", "max": "1.5 s"}, 1.5),
        ({"metric": "accuracy", "min": "92.5%"}, 0.925),
        ({"metric": "throughput", "min": 500}, 500),
        ({"metric": "params", "max": 0}, 0),
        ({"metric": "parity.max_abs_diff", "max": 1e-3}, 0.001),
        ({"metric": "memory.peak_rss_delta", "max": "180MiB"}, 180 * 2**20),
        ({"metric": "accuracy", "vs": "teacher", "max_drop": "1pp"}, 0.01),
        ({"metric": "latency.p50", "vs": "teacher", "min_speedup": "2.5x"}, 2.5),
        ({"metric": "file_bytes", "vs": "teacher", "max_ratio": 0.35}, 0.35),
        ({"metric": "params", "vs": "baseline", "max_increase": "0%"}, 0),
        ({"metric": "agreement", "vs": "teacher", "min": "90%"}, 0.9),
    ],
)
def test_a_limit_is_in_base_units(fields: dict[str, Any], value: float) -> None:
    found = budget(**fields)
    assert check_budget(found) is None
    assert budget_limit(found).value == value


@pytest.mark.parametrize(
    ("fields", "field", "said"),
    [
        ({"metric": "latency"}, "metric", "did you mean 'latency.p"),
        ({"metric": "zzz"}, "metric", "known: accuracy, latency.p50"),
        ({"metric": "accuracy"}, "id", "accuracy without `vs` takes min"),
        ({"metric": "accuracy", "max": "1%"}, "max", "limits that fit: min"),
        ({"metric": "accuracy", "min": "101%"}, "min", "more than 100%"),
        ({"metric": "accuracy", "min": "0.9"}, "min", "write 0.9%"),
        ({"metric": "accuracy", "max_drop": "1pp"}, "max_drop", "needs `vs: teacher`"),
        ({"metric": "file_bytes", "max": "1%"}, "max", "units that fit: B, kB"),
        ({"metric": "file_bytes", "min_speedup": "2x"}, "min_speedup", "limits that fit: max"),
        ({"metric": "file_bytes", "vs": "teacher", "max": "1B"}, "max", "max_ratio or max_incr"),
        ({"metric": "params", "max": "5x"}, "max", "units that fit: none"),
        ({"metric": "params", "vs": "teacher", "max_ratio": 1}, "vs", "leave `vs` out and write"),
        ({"metric": "latency.p95", "vs": "teacher", "max_ratio": 1}, "vs", "leave `vs` out"),
        ({"metric": "accuracy", "min": "1%", "max": "2%"}, "min", "one budget for each"),
    ],
)
def test_a_limit_that_does_not_fit_is_told(fields: dict[str, Any], field: str, said: str) -> None:
    problem = check_budget(budget(**fields))
    assert problem is not None
    assert problem.field == field
    assert said in f"{problem.what}; {problem.cure}"
    with pytest.raises(ValueError, match="budget b"):
        budget_limit(budget(**fields))


def test_every_metric_has_an_absolute_limit_in_its_direction() -> None:
    for metric in METRICS.values():
        assert metric.absolute == (("max",) if metric.better == "lower" else ("min",))
        text = metric.write(1.0)
        assert metric.parse(text) == 1.0
