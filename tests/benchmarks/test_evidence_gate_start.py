"""The start of the gate is timed on a run that meets every budget, and kept as a line."""

from __future__ import annotations

from pathlib import Path

from benchmarks.evidence.gate_start import GATE, record_starts, report, summary
from benchmarks.evidence.overhead import record_missing
from compress.gate.judge import judge
from compress.recipe.nodes import Budget


def test_each_kind_of_budget_is_judged_and_every_slice_among_them() -> None:
    import yaml

    budgets = [Budget.model_validate(fields) for fields in yaml.safe_load(GATE)["budgets"]]
    found = {verdict.budget: verdict for verdict in judge(report(50), budgets)}
    assert {name: verdict.status for name, verdict in found.items()} == dict.fromkeys(
        ("size", "accuracy", "regions", "speed"), "pass"
    )
    assert [part.status for part in found["regions"].parts] == ["pass"] * 50


def test_a_line_holds_every_start_and_is_made_once(tmp_path: Path) -> None:
    path = tmp_path / "gate-start.jsonl"
    wanted = [("gate-20", lambda: record_starts(starts=2, slices=20))]
    (line,) = record_missing(path, wanted, say=lambda text: None)
    assert record_missing(path, wanted, say=lambda text: None) == [line]
    assert (line["slices"], len(line["ms"]), line["limit_ms"]) == (20, 2, 500.0)
    assert min(*line["ms"], *line["libraries_ms"]) > 0
    assert len(line["libraries_ms"]) == 2
    assert line["cpu_model"]


def test_the_summary_names_the_longest_beside_the_limit() -> None:
    line = {
        "slices": 1000,
        "ms": [300.0, 310.0, 420.0],
        "libraries_ms": [140.0, 150.0, 160.0],
        "limit_ms": 500.0,
        "cpu_model": "A CPU",
    }
    assert summary([line]) == (
        "distil gate on 1,000 slices: 310 ms, of which the libraries alone take 150 ms, "
        "420 ms at most in 3 processes (limit 500 ms), A CPU\n"
    )
