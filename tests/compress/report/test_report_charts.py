"""The pictures: what they show, at which scale, and that nothing is hidden or drawn twice."""

from __future__ import annotations

import dataclasses
from itertools import pairwise
from xml.etree import ElementTree

import pytest

from compress.report.charts.axis import Scale, ticks
from compress.report.charts.classes import choose, class_chart, worst_first
from compress.report.charts.curves import Curve, Level, curves
from compress.report.charts.latency import Calls, common_range, distribution, far_apart, positions
from compress.report.charts.sizes import size_chart
from compress.report.charts.svg import text_width
from compress.values import ClassChange, SizeStep
from tests.compress.report.sample import sample_report


@pytest.mark.parametrize(
    ("scale", "expected"),
    [
        (Scale(low=0, high=10, start=0, end=1), (0, 2, 4, 6, 8, 10)),
        (Scale(low=0.183, high=0.214, start=0, end=1), (0.19, 0.2, 0.21)),
        (Scale(low=0.75, high=1.0, start=0, end=1), (0.75, 0.8, 0.85, 0.9, 0.95, 1.0)),
        (Scale(low=0.1, high=5, start=0, end=1, log=True), (0.1, 0.2, 0.5, 1, 2, 5)),
        (
            Scale(low=0.001, high=1000, start=0, end=1, log=True),
            (0.001, 0.01, 0.1, 1, 10, 100, 1000),
        ),
        (Scale(low=3, high=3, start=0, end=1), (3,)),
    ],
)
def test_ticks_are_round_numbers(scale: Scale, expected: tuple[float, ...]) -> None:
    found = ticks(scale)
    assert found == pytest.approx(expected)
    assert all(scale.low <= t * (1 + 1e-9) and t <= scale.high * (1 + 1e-9) for t in found)


def test_a_logarithmic_scale_puts_equal_ratios_at_equal_distances() -> None:
    scale = Scale(low=1, high=100, start=0, end=200, log=True)
    assert (scale(1), scale(10), scale(100)) == pytest.approx((0, 100, 200))


def _svg(text: str) -> ElementTree.Element:
    root = ElementTree.fromstring(text)
    assert root.tag == "svg"
    assert root.get("role") == "img"
    assert root[0].tag == "title"
    assert root[1].tag == "desc"
    assert root.get("aria-labelledby") == f"{root[0].get('id')} {root[1].get('id')}"
    assert "nan" not in text
    return root


def _words(root: ElementTree.Element) -> list[str]:
    return [element.text or "" for element in root.iter("text")]


FAST = Calls(
    subject="student",
    index=1,
    epochs_ms=((0.18, 0.19, 0.2), (0.19, 0.19, 0.21)),
    p50_ms=0.19,
    p95_ms=0.21,
)
SLOW = Calls(
    subject="teacher",
    index=0,
    epochs_ms=((2.4, 2.5, 2.6), (2.5, 2.5, 9.0)),
    p50_ms=2.5,
    p95_ms=None,
)


def test_models_far_apart_get_a_logarithmic_axis_and_their_own_distributions() -> None:
    assert far_apart((SLOW, FAST))
    assert common_range((SLOW, FAST)) is None
    words = _words(_svg(positions((SLOW, FAST), width=900, key="k", setting="batch 1")))
    assert "ms per call (logarithmic)" in words
    assert "teacher 2.50 ms" in words
    assert "student 0.190 ms" in words


def test_models_near_each_other_share_a_straight_axis() -> None:
    twin = dataclasses.replace(FAST, subject="twin", p50_ms=0.2)
    assert not far_apart((FAST, twin))
    shown = common_range((FAST, twin))
    assert shown is not None
    assert shown[0] < 0.18 < 0.21 < shown[1]
    words = _words(_svg(positions((FAST, twin), width=900, key="k", setting="batch 1")))
    assert "ms per call" in words


@pytest.mark.parametrize("width", [342.0, 456.0])
def test_a_distribution_shows_every_epoch_and_names_the_quantiles(width: float) -> None:
    root = _svg(distribution(FAST, width=width, key="k", setting="batch 1"))
    assert len(list(root.iter("circle"))) == 2
    assert {"p50 0.190 ms", "p95 0.210 ms"} <= set(_words(root))
    for element in root.iter("text"):
        assert -1 <= float(element.get("x", "0")) <= width


@pytest.mark.parametrize("shown", [(0.1, 0.212), (0.18, 0.6), (0.05, 0.3)])
def test_the_names_of_both_quantiles_stay_apart(shown: tuple[float, float]) -> None:
    """At the right edge, at the left one, and in the middle."""
    drawn = distribution(FAST, width=342, key="k", setting="batch 1", shown=shown)
    starts = {
        (e.text or "")[:3]: (float(e.get("x", "0")), text_width(e.text or ""))
        for e in _svg(drawn).iter("text")
        if (e.text or "").startswith(("p50", "p95"))
    }
    (first, room), (second, other) = starts["p50"], starts["p95"]
    assert first >= 0
    assert first + room < second
    assert second + other <= 342


def test_calls_beyond_the_axis_are_counted_and_not_hidden() -> None:
    many = Calls(
        subject="student",
        index=1,
        epochs_ms=(tuple([1.0 + i / 1000 for i in range(198)] + [7.0, 9.0]),),
        p50_ms=1.1,
        p95_ms=1.18,
    )
    words = _words(_svg(distribution(many, width=456, key="k", setting="batch 1")))
    assert "2 of 200 calls slower, up to 9.00 ms \u2192" in words


def test_identical_calls_are_drawn_too() -> None:
    flat = Calls(subject="s", index=1, epochs_ms=((1.0,) * 5,), p50_ms=1.0, p95_ms=None)
    words = _words(_svg(distribution(flat, width=456, key="k", setting="batch 1")))
    assert any("1.00 ms" in word for word in words)


def test_classes_come_worst_change_first() -> None:
    rows = worst_first(sample_report().pairs[0].classes)
    assert [row.name for row in rows][:3] == ["Shirt", "Pullover", "Coat"]
    words = _words(_svg(class_chart(choose(rows), width=900, key="k")))
    assert words.index("Shirt") < words.index("Pullover") < words.index("Trouser")
    assert "\u22129.2 pp" in words
    assert "95 %" in words


def test_classes_that_are_all_right_have_each_tick_once() -> None:
    rows = tuple(
        ClassChange(
            name=name, samples=9, teacher_accuracy=1.0, student_accuracy=1.0, lost=0, gained=0
        )
        for name in ("low", "high")
    )
    words = _words(_svg(class_chart(choose(rows), width=900, key="k")))
    shown = [word for word in words if word.endswith(" %")]
    assert shown == ["95 %", "96 %", "97 %", "98 %", "99 %", "100 %"]


def test_classes_without_a_teacher_show_their_accuracy() -> None:
    row = ClassChange(
        name="x<y", samples=9, teacher_accuracy=None, student_accuracy=0.5, lost=0, gained=0
    )
    words = _words(_svg(class_chart(choose((row,)), width=342, key="k")))
    assert "x<y" in words
    assert "50.0 %" in words
    assert "teacher" not in words


def test_curves_carry_their_names_and_break_at_missing_values() -> None:
    root = _svg(
        curves(
            (
                Curve(name="student", index=1, values=(0.8, None, 0.9, 0.92)),
                Curve(name="control", index=3, values=(0.7, 0.8, 0.85, 0.92), dashed=True),
            ),
            title="Validation accuracy",
            words=lambda v: f"{v:.2f}",
            width=296,
            key="k",
            level=Level(name="teacher", index=0, value=0.95),
        )
    )
    assert {"student", "control", "teacher", "epoch"} <= set(_words(root))
    paths = [p.get("d") or "" for p in root.iter("path")]
    assert [path.count("M") for path in paths] == [2, 1]
    ends = sorted(
        float(t.get("y", "0"))
        for t in root.iter("text")
        if t.text in ("student", "control", "teacher")
    )
    assert min(b - a for a, b in pairwise(ends)) >= 14  # no name on another


def test_size_bars_start_at_zero_and_are_in_proportion() -> None:
    steps = (
        SizeStep(stage="teacher", size_bytes=1_000_000, validation_accuracy=0.95),
        SizeStep(stage="student int8", size_bytes=100_000, validation_accuracy=None),
    )
    root = _svg(size_chart(steps, width=900, key="k"))
    bars = [(float(r.get("x", "1")), float(r.get("width", "0"))) for r in root.iter("rect")]
    assert [x for x, _ in bars] == [0, 0]
    assert bars[0][1] / bars[1][1] == pytest.approx(10)
    assert "97.7 KiB, 10.0x smaller" in _words(root)
