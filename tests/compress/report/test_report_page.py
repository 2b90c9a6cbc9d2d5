"""report.html: what it holds, and that nothing from data becomes markup."""

from __future__ import annotations

import dataclasses
from html.parser import HTMLParser

import pytest

from compress.report import render_html
from compress.values import ClassChange, Report
from tests.compress.report.sample import plain_report, sample_report
from tests.compress.report.sample_hostile import hostile_report


class Outline(HTMLParser):
    """Elements that are opened and closed, ids, and everything that could load something."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.loads: list[str] = []
        self.scripts = 0
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in ("meta", "link", "br", "img", "input"):
            self.open.append(tag)
        self.scripts += tag == "script"
        for name, value in attrs:
            if name == "id" and value:
                self.ids.append(value)
            if name in ("src", "srcset", "action", "data", "poster") or (
                name == "href" and not (value or "").startswith("#")
            ):
                self.loads.append(value or "")
            assert not name.startswith("on"), name

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if self.open and self.open[-1] == tag:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self.open, f"</{tag}> closes nothing"
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += f"{data} "


@pytest.mark.parametrize(
    "reports",
    [
        [sample_report()],
        [plain_report()],
        [sample_report(controls=False), plain_report()],
        [hostile_report()],
        [hostile_report(), hostile_report()],
    ],
    ids=["rich", "plain", "several", "hostile", "several-hostile"],
)
def test_the_page_is_well_formed_and_loads_nothing(reports: list[Report]) -> None:
    page = render_html(reports)
    outline = Outline(page)
    assert outline.open == []
    assert outline.loads == ["data:,"]
    assert outline.scripts == 1
    assert len(outline.ids) == len(set(outline.ids))
    assert len(page) < 1_000_000
    assert "http://" not in page
    assert "https://" not in page
    assert "\x1b" not in page
    assert "\u202e" not in page
    assert "<b>" not in page
    assert "script-src 'sha256-" in page


def test_the_page_says_what_a_reader_looks_for() -> None:
    words = " ".join(Outline(render_html([sample_report()])).text.split())
    for expected in (
        "1 of 6 budgets not measured, 1 violated, 1 warning",
        "13.3x faster",
        "23.7x smaller",
        "\u22122.50 pp",
        "Tango lower bound at 95 %",
        "12 interleaved pairs of fresh processes; a change of 1.3 % could be seen",
        "An empty model takes 5.20 us per call: no network can be faster",
        "13.2 to 13.4x a change of 1.3 % could be seen",
        "0.188 ms empty model: 5.20 us",
        "(empty model: 5.20 us), batch 1, 1 thread, cpu",
        "Negative flips the teacher is right and it is wrong; one-sided 95 % bound",
        "\u2265 \u22123.5 pp",
        "Waived until 2026-12-31",
        "nothing was timed on cuda",
        "Accuracy per class, worst change first",
        "quantize: int8",
        "it loses 0.08 pp of accuracy",
        "float32 accuracy 92.85 %",
        "recipe.distill.epochs changed: 10 \u2192 12",
        "quantize: {kind: auto}",
        "Intel(R) Xeon(R) Platinum 8581C",
        "preprocessing is not in it",
        "78,042 parameters",
    ):
        assert expected in words, expected


def test_several_runs_get_an_overview_with_a_picture() -> None:
    other = dataclasses.replace(sample_report(seed=9), name="other")
    page = render_html([sample_report(), other, plain_report()])
    assert "3 runs side by side" in page
    assert page.count("<article") == 3
    assert 'id="all-pareto-latency-title"' in page
    assert 'id="all-pareto-size-title"' in page
    assert page.index("Overview") < page.index("<article")


def test_a_report_without_raw_samples_has_no_distributions() -> None:
    report = sample_report()
    assert report.measured is not None
    measurements = tuple(
        dataclasses.replace(
            m,
            cells=tuple(
                dataclasses.replace(c, latency=dataclasses.replace(c.latency, samples_ns=()))
                for c in m.cells
            ),
        )
        for m in report.measured.measurements
    )
    bare = dataclasses.replace(
        report, measured=dataclasses.replace(report.measured, measurements=measurements)
    )
    page = render_html([bare])
    assert "Distribution of call times" not in page
    assert "13.3x" in page


def test_a_thousand_classes_stay_readable() -> None:
    report = sample_report()
    rows = tuple(
        ClassChange(
            name=f"class {i}",
            samples=50,
            teacher_accuracy=0.9,
            student_accuracy=0.9 - i / 2000,
            lost=i,
            gained=0,
        )
        for i in range(1000)
    )
    pair = dataclasses.replace(report.pairs[0], classes=rows)
    page = render_html([dataclasses.replace(report, pairs=(pair,))])
    assert "980 classes between the worst and the best are left out" in page
    assert "700 more classes are in report.json" in page
    assert len(page) < 1_000_000
