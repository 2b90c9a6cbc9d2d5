"""Accuracy against latency and size: what lies on the front, where budgets lie, what is hollow."""

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
from compress.report.candidates import bounds_of, candidates_panels, overview_panels
from compress.report.charts.front import Bound, Bounds, Point, Tick, front
from compress.report.charts.naming import text_box
from compress.report.charts.pareto import LATENCY, SIZE, Axis, pareto
from compress.report.charts.svg import text_width
from tests.compress.report.sample import ONE, plain_report, sample_report


def _point(name: str, cost: float, accuracy: float, size: int = 1000, **rest: object) -> Point:
    return dataclasses.replace(
        Point(name=name, index=2, cost=cost, accuracy=accuracy, size_bytes=size),
        **rest,  # type: ignore[arg-type]
    )


def _words(svg: str) -> list[str]:
    return [t.text or "" for t in ElementTree.fromstring(svg).iter("text")]


def _classes(svg: str, element: str) -> list[str]:
    return [e.get("class") or "" for e in ElementTree.fromstring(svg).iter(element)]


def _dots(root: ElementTree.Element) -> list[tuple[float, float]]:
    return [(float(c.get("cx", "0")), float(c.get("cy", "0"))) for c in root.iter("circle")]


@pytest.mark.parametrize(("axis", "unit"), [(LATENCY, "p50 in ms"), (SIZE, "file in MiB")])
def test_each_panel_has_its_own_axis_and_names_that_lie_apart(axis: Axis, unit: str) -> None:
    points = [
        _point("a", 2.5, 0.95, 4_000_000),
        _point("b", 0.2, 0.92, 400_000),
        _point("c", 0.2, 0.92, 400_000),
    ]
    root = ElementTree.fromstring(pareto(points, axis=axis, width=456, key="k"))
    boxes = [
        text_box(float(t.get("x", "0")), float(t.get("y", "0")), t.text or "")
        for t in root.iter("text")
        if t.text in ("a", "b", "c")
    ]
    assert len(boxes) == 3
    assert not any(a.meets(b) for a, b in combinations(boxes, 2))
    assert any(t.text == f"{unit} (logarithmic)" for t in root.iter("text"))
    (slow, high), (fast, low), twin = _dots(root)
    assert slow - fast > 150
    assert high < low
    assert twin == (fast, low)


def test_a_size_is_counted_in_the_unit_of_the_middle_of_the_range() -> None:
    points = [_point("a", 2.5, 0.95, 90 << 20), _point("b", 0.2, 0.92, 3 << 20)]
    words = _words(pareto(points, axis=SIZE, width=456, key="k"))
    assert "file in MiB (logarithmic)" in words
    assert {"10", "100"} & set(words)
    alike = [_point("a", 2.5, 0.95, 3072), _point("b", 0.2, 0.92, 2048)]
    assert "file in KiB" in _words(pareto(alike, axis=SIZE, width=456, key="k"))


def test_the_front_keeps_what_is_best_by_size_alone() -> None:
    fast, good = _point("fast", 1, 0.8), _point("good", 3, 0.9)
    beaten, small = _point("beaten", 3, 0.85), _point("small", 3, 0.85, size=10)
    assert front([fast, good, beaten, small]) == (fast, good, small)
    drawn = pareto([fast, good, beaten, small], axis=LATENCY, width=456, key="k")
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


@pytest.mark.parametrize(
    ("axis", "words"), [(LATENCY, "at most 0.300 ms"), (SIZE, "at most 300 KiB")]
)
def test_budgets_are_lines_around_the_field_that_meets_both(axis: Axis, words: str) -> None:
    bounds = Bounds(
        cost=Bound(low=0.3, high=0.3),
        size_bytes=Bound(low=307_200, high=307_200),
        accuracy=Bound(low=0.91, high=0.91),
    )
    points = [_point("a", 2.5, 0.95, 4_000_000), _point("b", 0.2, 0.92, 100_000)]
    drawn = pareto(points, axis=axis, width=456, key="k", bounds=bounds)
    root = ElementTree.fromstring(drawn)
    field = next(e for e in root.iter("rect") if e.get("class") == "within")
    limits = [e for e in root.iter("line") if e.get("class") == "limit"]
    assert len(limits) == 2
    right = float(field.get("x", "0")) + float(field.get("width", "0"))
    below = float(field.get("y", "0")) + float(field.get("height", "0"))
    assert float(limits[0].get("x1", "0")) == pytest.approx(right, abs=0.01)
    assert float(limits[1].get("y1", "0")) == pytest.approx(below, abs=0.01)
    assert sorted(x < right and y < below for x, y in _dots(root)) == [False, True]
    assert {words, "at least 91.00 %"} <= set(_words(drawn))
    assert f"budget: {words}; budget: at least 91.00 %" in drawn


@pytest.mark.parametrize("limit", [0.021, 0.05, 0.4, 2.4, 2.9])
@pytest.mark.parametrize("least", [0.90, 0.925, 0.96])
def test_words_of_budgets_lie_apart_and_inside(limit: float, least: float) -> None:
    """Wherever the two lines cross."""
    bounds = Bounds(cost=Bound(low=limit, high=limit), accuracy=Bound(low=least, high=least))
    points = [_point("a", 2.5, 0.95), _point("b", 0.02, 0.92)]
    root = ElementTree.fromstring(pareto(points, axis=LATENCY, width=342, key="k", bounds=bounds))
    boxes = []
    for text in root.iter("text"):
        words = text.text or ""
        if words.startswith("at "):
            start = float(text.get("x", "0"))
            start -= text_width(words) if text.get("text-anchor") == "end" else 0
            boxes.append(text_box(start, float(text.get("y", "0")), words))
    assert len(boxes) == 2
    assert not boxes[0].meets(boxes[1])
    assert all(box.left >= 60 and box.right <= 343 for box in boxes)


def test_limits_that_differ_between_runs_are_drawn_from_least_to_most() -> None:
    bounds = Bounds(cost=Bound(low=0.3, high=0.4))
    drawn = pareto([_point("a", 0.2, 0.9)], axis=LATENCY, width=456, key="k", bounds=bounds)
    assert _classes(drawn, "line").count("limit") == 2
    assert "at most 0.300 ms to 0.400 ms" in drawn


def test_a_model_that_misses_a_budget_is_hollow_and_a_beaten_trial_is_faint() -> None:
    points = [
        _point("best", 1, 0.9, met=True),
        _point("slow", 2, 0.8, met=False),
        _point("trial 7", 3, 0.7, named=False),
        _point("trial 8", 0.5, 0.7, named=False),
    ]
    drawn = pareto(points, axis=LATENCY, width=456, key="k")
    assert sorted(_classes(drawn, "circle")) == [
        "bubble faint s2",
        "bubble missed s2",
        "bubble s2",
        "bubble s2",
    ]
    words = _words(drawn)
    assert {"best", "slow"} <= set(words)
    assert not any("trial" in w for w in words)
    told = [t.text for t in ElementTree.fromstring(drawn).iter("title")]
    assert "trial 8: 0.500 ms, 70.00 %" in told  # under a mouse
    assert "slow: 2.00 ms, 80.00 %, does not meet all its budgets" in drawn


def test_nothing_to_draw_is_an_error() -> None:
    with pytest.raises(ValueError, match="no point"):
        pareto([], axis=SIZE, width=456, key="k")


def test_a_run_draws_all_its_models_with_the_budgets_of_the_setting() -> None:
    report = sample_report()
    latency, size = candidates_panels(report, key="run1")
    for drawn in (latency.wide, latency.narrow, size.wide, size.narrow):
        assert len(_classes(drawn, "circle")) == 3
        assert _classes(drawn, "path").count("dot s0") == 1  # the teacher
        assert _classes(drawn, "line").count("limit") == 2
        assert "missed" in drawn  # budgets of this run are violated
    assert "at most 300 KiB" in size.wide
    bounds = bounds_of((report,), ONE)
    assert bounds.cost is not None
    assert bounds.cost.high == pytest.approx(2.51 / 8)
    assert bounds.size_bytes == Bound(low=307_200, high=307_200)
    other = Setting(device="cpu", threads=1, batch=32)
    assert bounds_of((report,), other).cost is None
    assert candidates_panels(plain_report(), key="k") == ()


def test_runs_side_by_side_draw_a_shared_teacher_once_and_the_spread_of_their_budgets() -> None:
    first = sample_report(controls=False)
    lines = tuple(
        dataclasses.replace(b, value=b.value * 1.1) if b.metric != "accuracy" else b
        for b in first.budget_lines
    )
    second = dataclasses.replace(first, name="second", budget_lines=lines)
    latency, size = overview_panels((first, second), key="all")
    for panel in (latency, size):
        assert len(_classes(panel.wide, "circle")) == 2
        assert _classes(panel.wide, "path").count("dot s0") == 1
    assert "at most 0.314 ms to 0.345 ms" in latency.wide
    assert "at most 300 KiB to 330 KiB" in size.wide


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


def test_what_was_timed_and_not_trained_is_a_tick_on_the_bottom_edge() -> None:
    points = [_point("a", 1.0, 0.9), _point("b", 0.5, 0.85)]
    ticks = [Tick(name=f"c{i}", cost=cost, size_bytes=900) for i, cost in enumerate((0.25, 4.0))]
    drawn = pareto(points, axis=LATENCY, width=456, key="k", ticks=ticks)
    root = ElementTree.fromstring(drawn)
    places = {
        element.get("x1"): element.get("y2")
        for element in root.iter()
        if element.get("class") == "tick"
    }
    assert len(places) == 2
    assert len(set(places.values())) == 1
    first, second = sorted(map(float, places))
    assert 62 < first < min(x for x, _ in _dots(root))  # left of both dots, and on the panel
    assert max(x for x, _ in _dots(root)) < second < 456
    assert "c1: 4.00 ms, not trained" in drawn
    assert "2 were timed and not trained" in drawn
