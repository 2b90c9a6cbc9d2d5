"""A search on the page and in the notes: every candidate, the picture, and what to relax."""

from __future__ import annotations

import dataclasses
from typing import Literal

import pytest

from compress.report.codec import from_json, to_json
from compress.report.html import render_html
from compress.report.search import search_notes
from compress.report.search_page import search_page
from compress.values import Relaxation, Report, SearchFacts, Status, Trial, Verdict
from tests.compress.report.sample import sample_report


def trial(name: str, p50_ms: float, accuracy: float | None, *, fits: bool = True) -> Trial:
    return Trial(
        name=name,
        scheme="int8",
        parameters=90_000,
        macs=5_000_000,
        size_bytes=int(90_000 * p50_ms * 10),
        p50_ms=p50_ms,
        speedup=1.0 / p50_ms,
        fits=fits,
        accuracy=accuracy,
        epochs=0 if accuracy is None else 3,
        trained_s=0.0 if accuracy is None else 90.0,
        seconds=95.0,
    )


def facts(*, binding: str | None = None) -> SearchFacts:
    trials = [trial("residual 2x(48, 72) /2, int8", 0.11, 0.944)]
    trials += [
        trial(f"residual 1x({8 * n}, {16 * n}) /2, int8", 0.02 * n, 0.90 + 0.008 * n)
        for n in range(1, 6)
    ]
    trials += [trial("residual 2x(96, 144) /2, float32", 0.4, None, fits=False)]
    return SearchFacts(
        chosen=trials[0].name,
        reason="the best of 6 that were trained",
        binding=binding,
        trials=tuple(trials),
        relaxations=(
            Relaxation(
                budget="speed", limit="min_speedup: 8x", enough="min_speedup: 6.2x",
                candidate="residual 2x(64, 96) /2, int8", reason="by pilots of equal length",
            ),
            Relaxation(
                budget="size", limit="max: 300KiB", enough=None, candidate=None,
                reason="without it no candidate is expected to reach the accuracy",
            ),
            Relaxation(
                budget="memory", limit="max: 40MiB", enough=None, candidate=None, tried=False,
                reason="no time was left to train candidates without it",
            ),
        ) if binding else (),
        reached=0.944,
        aim=0.94,
        stated_s=2400.0,
        spent_s={"screening": 240.0, "pilots": 700.0, "training in full": 1200.0,
                 "bookkeeping": 8.0},
    )  # fmt: skip


def with_search(found: SearchFacts) -> Report:
    notes = search_notes(found)
    return dataclasses.replace(sample_report(), search=found, notes=notes)


def test_every_candidate_is_on_the_page_and_the_trained_ones_in_the_picture() -> None:
    page = search_page(with_search(facts()), key="k")
    assert page is not None
    for panel, title in zip(page.panels, ("latency", "file size"), strict=True):
        assert panel.wide.count("<circle") == 6
        assert panel.wide.count('class="dot s0"') == 1  # the teacher
        assert f"Accuracy against {title} on validation" in panel.wide
        assert "at least" not in panel.wide  # that budget is on test
    assert "at most 0.314 ms" in page.panels[0].wide
    assert "at most 300 KiB" in page.panels[1].wide
    assert page.floor == "5.20 us"
    assert [row.name for row in page.rows if row.chosen] == ["residual 2x(48, 72) /2, int8"]
    assert [row.accuracy for row in page.rows].count("\u2013") == 1
    assert sum(part for _, _, part in page.spent) == pytest.approx(1)
    html = render_html((with_search(facts()),))
    for row in page.rows:
        assert row.name in html
    assert "Where the time went" in html


def test_a_single_candidate_that_was_trained_has_a_picture_beside_those_that_were_not() -> None:
    found = facts()
    one, untrained = found.trials[0], found.trials[-1]
    several = dataclasses.replace(found, trials=(one, untrained, untrained))
    page = search_page(with_search(several), key="k")
    assert page is not None
    for panel in page.panels:
        assert panel.wide.count("<circle") == 1
        assert panel.wide.count('class="dot s0"') == 1  # the teacher
        assert panel.wide.count('class="tick"') == 2
    assert len(page.panels) == 2
    alone = dataclasses.replace(found, trials=(dataclasses.replace(one, speedup=None),))
    page = search_page(with_search(alone), key="k")
    assert page is not None
    assert page.panels == ()  # a dot by itself says what the table says


def test_a_candidate_that_failed_is_listed_with_its_reason() -> None:
    found = facts()
    failed = dataclasses.replace(found.trials[2], accuracy=None, failed="its training diverged")
    found = dataclasses.replace(
        found,
        trials=(*found.trials[:2], failed, *found.trials[3:]),
        not_made={"deep 9x(8)": "an operator has no ONNX form"},
    )
    page = search_page(with_search(found), key="k")
    assert page is not None
    assert "7 candidates were timed and 5 of them trained; 2 failed; " in page.sentence
    told = {row.name: (row.failed, row.accuracy, row.trained) for row in page.rows if row.failed}
    assert told == {
        failed.name: ("its training diverged", "\u2013", "no"),
        "deep 9x(8)": ("an operator has no ONNX form", "\u2013", "no"),
    }
    assert [row.p50 for row in page.rows][-1] == "\u2013"
    html = render_html((with_search(found),))
    assert "failed: an operator has no ONNX form" in html
    said = search_notes(found)
    assert said[1] == (
        f"A candidate failed, {failed.name}: its training diverged (in all 2, told of on the page)."
    )
    report = with_search(found)
    assert from_json(Report, to_json(report)) == report


def test_speed_is_told_over_the_teacher_and_not_at_all_where_it_has_no_file() -> None:
    found = facts()
    page = search_page(with_search(found), key="k")
    assert page is not None
    assert page.compared
    assert page.rows[0].speedup == "9.09x"
    assert "Over the teacher" in render_html((with_search(found),))
    alone = tuple(dataclasses.replace(one, speedup=None) for one in found.trials)
    report = with_search(dataclasses.replace(found, trials=alone))
    page = search_page(report, key="k")
    assert page is not None
    assert not page.compared
    assert [row.p50 for row in page.rows][:2] == ["0.110 ms", "20.0 us"]
    assert "9.09x" not in {row.speedup for row in page.rows}
    assert all('class="dot s0"' not in panel.wide for panel in page.panels)
    assert "Over the teacher" not in render_html((report,))


def test_a_report_without_a_search_shows_none() -> None:
    assert search_page(sample_report(), key="k") is None
    assert "All candidates" not in render_html((sample_report(),))


def test_what_binds_and_what_would_do_is_said_in_the_notes() -> None:
    said = search_notes(facts(binding="speed"))
    assert "timed 7 candidates and trained 6" in said[0]
    assert "35 min 48 s of the 40 min 0 s that were stated: 20 min 0 s training in full" in said[0]
    assert "0.4 % bookkeeping" in said[0]
    assert "`speed` is the one that binds" in said[1]
    assert "`speed` alone would do at `min_speedup: 6.2x` instead of min_speedup: 8x" in said[2]
    assert "`size` (max: 300KiB) alone is not enough" in said[3]
    assert "Whether `memory` (max: 40MiB) alone could give way is open: no time" in said[4]
    assert len(search_notes(facts())) == 1
    assert search_notes(None) == ()


def verdict(budget: str, status: Status, *, level: Literal["error", "warn"] = "error") -> Verdict:
    return Verdict(
        budget=budget, metric="accuracy", status=status, observed="", limit="", margin="",
        level=level, reason="",
    )  # fmt: skip


def test_a_student_that_meets_the_budgets_after_all_is_not_said_to_miss_them() -> None:
    met = [verdict("drop", "pass"), verdict("speed", "pass")]
    met += [verdict("p95", "violated", level="warn")]
    found = facts(binding="drop")
    assert search_notes(found, met)[1:] == (
        "The student meets the budgets, although validation gave it less than 80 % power to meet "
        "`drop`.",
    )
    slow = dataclasses.replace(found.trials[0], fits=False)
    found = dataclasses.replace(found, binding="speed", trials=(slow, *found.trials[1:]))
    assert search_notes(found, met)[1:] == (
        "The student meets the budgets, although the search, with room for noise, expected it to "
        "miss `speed`.",
    )
    missed: tuple[Status, ...] = ("inconclusive", "violated", "unmeasured")
    for status in missed:
        said = search_notes(found, [*met, verdict("size", status)])
        assert "`speed` is the one that binds" in said[1]
    assert len(search_notes(facts(), met)) == 1


def test_a_search_survives_the_way_through_json() -> None:
    report = with_search(facts(binding="speed"))
    assert from_json(Report, to_json(report)) == report
