"""What a run's report says of slices: proven, likely, and those that are too small to be tested."""

from __future__ import annotations

import dataclasses

from sample import sample_report

from compress.report.html import render_html
from compress.report.markdown import render_markdown
from compress.report.scenarios import slice_rows, slices_sentence
from compress.values import Report, Slice


def _slice(name: str, samples: int, lost: int) -> Slice:
    right = round(0.95 * samples)
    return Slice(
        kind="lang", name=name, samples=samples, reference_right=right,
        candidate_right=right - lost, lost=lost, gained=0, lost_ids=(),
    )  # fmt: skip


def _sliced(*slices: Slice) -> Report:
    return dataclasses.replace(sample_report(), slices=slices, slice_drop=0.03)


def test_holm_blocks_the_false_discovery_rate_warns_and_the_untestable_are_named() -> None:
    plain = [_slice(f"l{number}", 1000, 20) for number in range(4)]
    report = _sliced(*plain, _slice("de", 1000, 71), _slice("en", 1000, 42), _slice("is", 3, 1))
    rows = slice_rows(report)
    words = {row.name: row.words for row in rows}
    assert words["lang de"] == "violated"
    assert words["lang en"] == "violated (warning)"
    assert words["lang is"] == "inconclusive (too few samples)"
    said = slices_sentence(report, rows)
    assert said.startswith(
        "1 of 7 slices lose more than 3 pp, 1 more likely (warning); 1 inconclusive (too few "
        "samples): lang is. Corrected for their number: Holm at 5 %"
    )
    assert said in render_markdown(report)
    assert said in render_html([report])


def test_of_many_untestable_slices_the_first_are_named_and_the_others_counted() -> None:
    report = _sliced(*(_slice(f"l{number}", 2, 0) for number in range(8)))
    said = slices_sentence(report, slice_rows(report))
    assert "8 inconclusive (too few samples): lang l0, " in said
    assert " and 3 more. Corrected" in said


def test_names_in_the_sentence_are_escaped() -> None:
    report = _sliced(_slice("<b>*", 2, 0))
    assert "too few samples): lang <b>" not in render_markdown(report)
    assert "too few samples): lang &lt;b&gt;*" in render_html([report])
