"""The picture of cost and accuracy: what lies on the front, where budgets lie, what is hollow."""

from __future__ import annotations

import dataclasses
import re
from itertools import combinations
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.values import Setting
from compress.gate.bounds import budget_lines
from compress.recipe.nodes import Budget
from compress.report.candidates import bounds_of, candidates_figure, overview_figure
from compress.report.charts.naming import text_box
from compress.report.charts.pareto import Bound, Bounds, Point, front, pareto
from tests.compress.report.sample import ONE, plain_report, sample_report


def _point(name: str, cost: float, accuracy: float, size: int = 1000, **rest: object) -> Point:
    return dataclasses.replace(
        Point(name=name, index=2, cost=cost, accuracy=accuracy, size_bytes=size),
        **rest,  # type: ignore[arg-type]
    )


def _classes(svg: str, element: str) -> list[str]:
    return [e.get("class") or "" for e in ElementTree.fromstring(svg).iter(element)]


def test_areas_of_dots_are_in_proportion_to_size_and_labels_lie_apart() -> None:
    points = [
        _point("a", 2.5, 0.95, 4_000_000),
        _point("b", 0.2, 0.92, 1_000_000),
        _point("c", 0.2, 0.92, 1_000_000),
    ]
    root = ElementTree.fromstring(pareto(points, width=900, key="k"))
    radii = [float(c.get("r", "0")) for c in root.iter("circle")]
    assert radii[0] / radii[1] == pytest.approx(2)
    boxes = [
        text_box(float(t.get("x", "0")), float(t.get("y", "0")), t.text or "")
        for t in root.iter("text")
        if re.search("[KM]iB", t.text or "")
    ]
    assert len(boxes) == 3
    assert not any(a.meets(b) for a, b in combinations(boxes, 2))
    assert any("logarithmic" in (t.text or "") for t in root.iter("text"))


def test_the_front_keeps_what_is_best_by_size_alone() -> None:
    fast, good = _point("fast", 1, 0.8), _point("good", 3, 0.9)
    beaten, small = _point("beaten", 3, 0.85), _point("small", 3, 0.85, size=10)
    assert front([fast, good, beaten, small]) == (fast, good, small)
    drawn = pareto([fast, good, beaten, small], width=900, key="k")
    assert _classes(drawn, "path") == ["front"]  # small is on the front, and below the stairs
    steps = re.search(r'd="(M[^"]+)"', drawn)
    assert steps is not None
    assert steps[1].count("H") == 1


@given(
    st.lists(
        st.tuples(st.integers(1, 5), st.integers(1, 5), st.integers(1, 5)), min_size=1, max_size=30
    )
)
def test_every_model_is_on_the_front_or_beaten_by_one_that_is(
    rows: list[tuple[int, int, int]],
) -> None:
    points = [_point(str(i), c, a / 10, s) for i, (c, a, s) in enumerate(rows)]
    best = front(points)
    assert best
    for point in points:
        as_good = [
            b
            for b in best
            if b.cost <= point.cost
            and b.accuracy >= point.accuracy
            and b.size_bytes <= point.size_bytes
        ]
        assert as_good


def test_budgets_are_lines_around_the_field_that_meets_both() -> None:
    bounds = Bounds(cost=Bound(low=0.3, high=0.3), accuracy=Bound(low=0.91, high=0.91))
    drawn = pareto(
        [_point("a", 2.5, 0.95), _point("b", 0.2, 0.92)], width=900, key="k", bounds=bounds
    )
    root = ElementTree.fromstring(drawn)
    field = next(e for e in root.iter("rect") if e.get("class") == "within")
    limits = [e for e in root.iter("line") if e.get("class") == "limit"]
    assert len(limits) == 2
    right = float(field.get("x", "0")) + float(field.get("width", "0"))
    below = float(field.get("y", "0")) + float(field.get("height", "0"))
    assert float(limits[0].get("x1", "0")) == pytest.approx(right, abs=0.01)
    assert float(limits[1].get("y1", "0")) == pytest.approx(below, abs=0.01)
    inside = [
        float(c.get("cx", "0")) < right and float(c.get("cy", "0")) < below
        for c in root.iter("circle")
    ]
    assert sorted(inside) == [False, True]
    words = [t.text for t in root.iter("text")]
    assert "at most 0.300 ms" in words
    assert "at least 91.00 %" in words


def test_limits_that_differ_between_runs_are_drawn_from_least_to_most() -> None:
    bounds = Bounds(cost=Bound(low=0.3, high=0.4))
    drawn = pareto([_point("a", 0.2, 0.9)], width=900, key="k", bounds=bounds)
    assert _classes(drawn, "line").count("limit") == 2
    assert "at most 0.300 ms to 0.400 ms" in drawn


def test_a_model_that_misses_a_budget_is_hollow_and_a_beaten_trial_is_faint_and_unnamed() -> None:
    points = [
        _point("best", 1, 0.9, met=True),
        _point("slow", 2, 0.8, met=False),
        _point("trial 7", 3, 0.7, named=False),
        _point("trial 8", 0.5, 0.7, named=False),
    ]
    drawn = pareto(points, width=900, key="k")
    assert sorted(_classes(drawn, "circle")) == [
        "bubble faint s2",
        "bubble missed s2",
        "bubble s2",
        "bubble s2",
    ]
    words = [t.text or "" for t in ElementTree.fromstring(drawn).iter("text")]
    assert not any("trial 7" in w for w in words)
    assert any("trial 8" in w for w in words)
    assert "slow: 2.00 ms, 80.00 %, 1000 B, does not meet all its budgets" in drawn.replace(
        "1,000", "1000"
    )


def test_nothing_to_draw_is_an_error() -> None:
    with pytest.raises(ValueError, match="no point"):
        pareto([], width=900, key="k")


def test_a_run_draws_all_its_models_with_the_budgets_of_the_setting() -> None:
    report = sample_report()
    figure = candidates_figure(report, key="run1")
    assert figure is not None
    for drawn in (figure.wide, figure.narrow):
        assert len(_classes(drawn, "circle")) == 4
        assert _classes(drawn, "line").count("limit") == 2
        assert "missed" in drawn  # budgets of this run are violated
    bounds = bounds_of((report,), ONE)
    assert bounds.cost is not None
    assert bounds.cost.high == pytest.approx(2.51 / 8)
    other = Setting(device="cpu", threads=1, batch=32)
    assert bounds_of((report,), other).cost is None
    assert candidates_figure(plain_report(), key="k") is None


def test_runs_side_by_side_draw_a_shared_teacher_once_and_the_spread_of_their_budgets() -> None:
    first = sample_report(controls=False)
    lines = tuple(
        dataclasses.replace(b, value=b.value * 1.1) if b.metric == "latency.p50" else b
        for b in first.budget_lines
    )
    second = dataclasses.replace(first, name="second", budget_lines=lines)
    figure = overview_figure((first, second), key="all")
    assert figure is not None
    assert len(_classes(figure.wide, "circle")) == 3
    assert "at most 0.314 ms to 0.345 ms" in figure.wide


def test_relative_budgets_become_lines_at_the_teacher_of_the_report() -> None:
    report = sample_report()
    budgets = [
        Budget(id="accuracy", metric="accuracy", vs="teacher", max_drop="3.5pp"),
        Budget(id="floor", metric="accuracy", min="90%"),
        Budget(id="speed", metric="latency.p50", vs="teacher", min_speedup="8x"),
        Budget(id="wide", metric="latency.p50", batch=64, vs="teacher", min_speedup="8x"),
        Budget(id="ratio", metric="file_bytes", vs="teacher", max_ratio=0.5),
        Budget(id="off", metric="file_bytes", max="1KiB", level="off"),
        Budget(id="tail", metric="latency.p95", max="1ms"),
        Budget(id="old", metric="latency.p50", vs="baseline", max_increase="2%"),
    ]
    lines = {line.budget: line for line in budget_lines(report, budgets)}
    assert sorted(lines) == ["accuracy", "floor", "ratio", "speed"]
    assert report.measured is not None
    teacher = report.measured.measurements[0]
    assert lines["accuracy"].value == pytest.approx(report.qualities[0].accuracy - 0.035)
    assert lines["floor"].value == pytest.approx(0.9)
    assert lines["speed"].value == pytest.approx(teacher.cells[0].latency.p50_ms / 8000)
    assert lines["speed"].setting == ONE
    assert lines["ratio"].value == pytest.approx(teacher.size_bytes / 2)
