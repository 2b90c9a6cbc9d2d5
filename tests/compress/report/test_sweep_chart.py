"""Lines over batch sizes or rates: where the dots lie, and what a reader is told."""

from __future__ import annotations

import itertools
import re

from compress.report.charts.sweep import Sweep, sweep


def drawn(*lines: Sweep, at_values: bool = True) -> str:
    return sweep(
        lines, title="Latency", across="batch", words=lambda v: f"{v:g} ms", width=600, key="k",
        at_values=at_values,
    )  # fmt: skip


def test_batches_are_named_and_lie_in_equal_steps_where_they_double() -> None:
    page = drawn(Sweep(name="a", index=0, points=((1, 2.0), (4, 2.5), (16, 3.0), (64, 3.5))))
    assert re.findall(r">(\d+)</text>", page) == ["1", "4", "16", "64"]
    xs = [float(x) for x in re.findall(r'cx="([\d.]+)"', page)]
    steps = [round(b - a, 1) for a, b in itertools.pairwise(xs)]
    assert max(steps) - min(steps) <= 0.2
    ys = [float(y) for y in re.findall(r'cy="([\d.]+)"', page)]
    assert ys == sorted(ys, reverse=True)  # slower is higher up
    assert "a: 2 ms at 1, 2.5 ms at 4, 3 ms at 16, 3.5 ms at 64" in page


def test_one_batch_alone_is_one_named_value() -> None:
    page = drawn(Sweep(name="a", index=0, points=((1, 2.0),)))
    assert re.findall(r">([\d.]+)</text>", page) == ["1"]


def test_names_at_the_ends_do_not_lie_on_each_other_and_are_escaped() -> None:
    page = drawn(
        Sweep(name="<b>", index=0, points=((1, 2.0), (2, 3.0))),
        Sweep(name="c", index=1, points=((1, 2.0), (2, 3.0)), dashed=True),
    )
    assert "<b>" not in page
    ends = re.findall(r'y="([\d.]+)"[^>]*class="strong s[01]"', page)
    assert len(ends) == 2
    assert abs(float(ends[0]) - float(ends[1])) >= 15
    assert "dashed" in page


def test_rates_have_round_numbers_and_nothing_draws_nothing() -> None:
    page = drawn(Sweep(name="a", index=0, points=((43, 2.0), (97, 9.0))), at_values=False)
    assert {"60", "80"} <= set(re.findall(r">(\d+)</text>", page))
    assert sweep((), title="", across="", words=str, width=600, key="k") == ""
