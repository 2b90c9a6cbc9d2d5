"""The page in a real browser: nothing is fetched, nothing fails, nothing is cut, tables sort."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from compress.report import render_html
from tests.compress.report.chromium import Page, chromium_page, find_chromium
from tests.compress.report.sample import plain_report, sample_report
from tests.compress.report.test_report_texts import hostile_report

CHROMIUM = find_chromium()
pytestmark = pytest.mark.skipif(
    CHROMIUM is None, reason="no Chromium here: install the Debian package chromium"
)

# Elements that stick out of the window, but for those inside a region that scrolls by itself.
_OVERFLOW = """
[...document.querySelectorAll("body *")]
  .filter((e) => !e.closest(".scroll, pre, thead, .skip") && e.getClientRects().length)
  .filter((e) => e.getBoundingClientRect().right > document.documentElement.clientWidth + 1)
  .map((e) => `${e.tagName}.${e.getAttribute("class")} ${e.textContent.slice(0, 40)}`)
"""

# Pairs of texts of one picture that lie on each other.
_OVERLAPS = """
[...document.querySelectorAll("svg[role=img]")].flatMap((svg) => {
  const boxes = [...svg.querySelectorAll("text")]
    .map((t) => [t.textContent, t.getBoundingClientRect()])
    .filter(([, b]) => b.width);
  return boxes.flatMap(([a, p], i) => boxes.slice(i + 1)
    .filter(([, q]) => Math.min(p.right, q.right) - Math.max(p.left, q.left) > 1
      && Math.min(p.bottom, q.bottom) - Math.max(p.top, q.top) > 4)
    .map(([b]) => `${a} / ${b}`));
})
"""

_COLUMN = """[...document.querySelectorAll("table.classes tbody th")].map((e) => e.textContent)"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Page]:
    assert CHROMIUM is not None
    with chromium_page(CHROMIUM) as page:
        yield page


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("pages")
    reports = {
        "rich": [sample_report()],
        "plain": [plain_report()],
        "several": [sample_report(controls=False), plain_report()],
        "hostile": [hostile_report()],
    }
    for name, content in reports.items():
        (folder / f"{name}.html").write_text(render_html(content), encoding="utf-8")
    return {name: folder / f"{name}.html" for name in reports}


def _complaints(events: list[dict[str, Any]]) -> list[Any]:
    kinds = ("Runtime.exceptionThrown", "Runtime.consoleAPICalled", "Log.entryAdded")
    return [e["params"] for e in events if e["method"] in kinds]


def _requests(events: list[dict[str, Any]]) -> list[str]:
    sent = [e["params"] for e in events if e["method"] == "Network.requestWillBeSent"]
    return [p["request"]["url"] for p in sent if not p["request"]["url"].startswith("data:")]


@pytest.mark.parametrize(
    ("name", "width", "dark"),
    [
        ("rich", 1280, False),
        ("rich", 390, True),
        ("rich", 800, False),
        ("plain", 390, False),
        ("several", 1280, True),
        ("several", 390, True),
        ("hostile", 390, False),
        ("hostile", 1280, False),
    ],
)
def test_the_page_renders_whole_and_alone(
    browser: Page, pages: dict[str, Path], name: str, width: int, dark: bool
) -> None:
    browser.open(pages[name], width=width, dark=dark)
    assert browser.evaluate("document.documentElement.scrollWidth") <= width
    assert browser.evaluate(_OVERFLOW) == []
    assert browser.evaluate(_OVERLAPS) == []
    assert _requests(browser.events) == [pages[name].as_uri()]
    assert _complaints(browser.events) == []


def test_the_verdict_is_in_sight_at_once(browser: Page, pages: dict[str, Path]) -> None:
    browser.open(pages["rich"], width=390)
    verdict = "document.querySelector('.verdict')"
    assert "1 of 6 budgets not measured" in browser.evaluate(f"{verdict}.innerText")
    assert browser.evaluate(f"{verdict}.getBoundingClientRect().bottom") < 500


def test_a_click_on_a_header_sorts_the_table(browser: Page, pages: dict[str, Path]) -> None:
    browser.open(pages["rich"], width=1280)
    click = "document.querySelectorAll('table.classes thead button')[{}].click()"
    assert browser.evaluate(_COLUMN)[0] == "Shirt"
    browser.evaluate(click.format(0))
    names = browser.evaluate(_COLUMN)
    assert names == sorted(names)
    browser.evaluate(click.format(3))  # student's accuracy, upwards
    assert browser.evaluate(_COLUMN)[0] == "Shirt"
    browser.evaluate(click.format(3))
    assert browser.evaluate(_COLUMN)[-1] == "Shirt"
    sorted_by = "document.querySelector('table.classes [aria-sort]').getAttribute('aria-sort')"
    assert browser.evaluate(sorted_by) == "descending"


def test_dark_mode_follows_the_system(browser: Page, pages: dict[str, Path]) -> None:
    background = "getComputedStyle(document.body).backgroundColor"
    browser.open(pages["rich"], width=1280, dark=True)
    assert browser.evaluate(background) == "rgb(20, 23, 26)"
    browser.open(pages["rich"], width=1280, dark=False)
    assert browser.evaluate(background) == "rgb(252, 251, 249)"


def test_every_picture_has_a_name_for_screen_readers(browser: Page, pages: dict[str, Path]) -> None:
    browser.open(pages["rich"], width=1280)
    unnamed = """[...document.querySelectorAll("svg:not([aria-hidden])")]
      .flatMap((s) => s.getAttribute("aria-labelledby").split(" "))
      .filter((id) => !document.getElementById(id)).length"""
    assert browser.evaluate(unnamed) == 0
    assert browser.evaluate("document.querySelectorAll('svg[role=img]').length") > 10


def test_a_long_reason_leaves_the_word_before_it_whole(
    browser: Page, pages: dict[str, Path]
) -> None:
    browser.open(pages["rich"], width=1280)
    lines = browser.evaluate(
        """(() => {
          const [done, why] = document.querySelectorAll(".stages tbody tr:first-child td");
          why.textContent = "inputs.train/weights.safetensors: 9afc17cea5e7, 585d8706 ".repeat(9);
          const words = document.createRange();
          words.selectNodeContents(done);
          return words.getClientRects().length;
        })()"""
    )
    assert lines == 1
