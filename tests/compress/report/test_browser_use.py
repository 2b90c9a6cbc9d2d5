"""A person at the page: with a mouse, with a keyboard, on a phone; every section is opened."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.compress.report.chromium import Page

_CLASSES = """[...document.querySelectorAll("table.classes tbody th")].map((e) => e.textContent)"""
_OPEN = "document.querySelectorAll('details').forEach((part) => { part.open = true; })"
_SORTED = "document.querySelector('table.{} [aria-sort]')?.getAttribute('aria-sort')"

# Everything that takes the focus and is in sight, in the order of the document.
_STOPS = """(() => {
  const all = document.querySelectorAll("a[href], button, summary, [tabindex='0']");
  window.stops = [...all].filter((e) => e.checkVisibility());
  return window.stops.length;
})()"""

# Where the focus is: its place among the stops, how it is drawn, and whether it can be seen there.
_FOCUS = """(() => {
  const e = document.activeElement, box = e.getBoundingClientRect(), style = getComputedStyle(e);
  const across = Math.min(Math.max(box.left + box.width / 2, 1), innerWidth - 1);
  const down = Math.min(Math.max(box.top + box.height / 2, 1), innerHeight - 1);
  return {
    seen: e.contains(document.elementFromPoint(across, down)),
    place: window.stops.indexOf(e), name: e.textContent.trim().slice(0, 40),
    width: box.width, height: box.height, top: box.top, bottom: box.bottom, left: box.left,
    outline: style.outlineStyle, thick: Number.parseFloat(style.outlineWidth),
  };
})()"""


def _focus(browser: Page, selector: str) -> None:
    """As the Tab key would, so that the browser shows where the focus is."""
    browser.press("Tab")
    browser.evaluate(f"document.querySelector({selector!r}).focus()")


def test_a_click_on_a_header_sorts_the_table(browser: Page, pages: dict[str, Path]) -> None:
    browser.open(pages["rich"], width=1280)
    click = "document.querySelectorAll('table.classes thead button')[{}].click()"
    assert browser.evaluate(_CLASSES)[0] == "Shirt"
    browser.evaluate(click.format(0))
    names = browser.evaluate(_CLASSES)
    assert names == sorted(names)
    browser.evaluate(click.format(3))  # student's accuracy, upwards
    assert browser.evaluate(_CLASSES)[0] == "Shirt"
    assert browser.evaluate(_SORTED.format("classes")) == "ascending"
    browser.evaluate(click.format(3))
    assert browser.evaluate(_CLASSES)[-1] == "Shirt"
    assert browser.evaluate(_SORTED.format("classes")) == "descending"
    assert browser.evaluate("document.querySelectorAll('table.classes [aria-sort]').length") == 1


@pytest.mark.parametrize("key", ["Enter", "Space"])
def test_a_key_on_a_header_sorts_the_table(browser: Page, pages: dict[str, Path], key: str) -> None:
    browser.open(pages["rich"], width=1280)
    browser.evaluate(_OPEN)
    _focus(browser, "table.classes thead th:nth-child(4) button")
    before = browser.evaluate("scrollY")
    assert browser.evaluate(_SORTED.format("classes")) is None
    browser.press(key)
    assert browser.evaluate(_SORTED.format("classes")) == "ascending"
    assert browser.evaluate(_CLASSES)[0] == "Shirt"
    browser.press(key)
    assert browser.evaluate(_SORTED.format("classes")) == "descending"
    assert browser.evaluate(_CLASSES)[-1] == "Shirt"
    assert browser.evaluate("scrollY") == before  # the page stays where it is
    assert browser.evaluate("document.activeElement.textContent") == "Student"
    assert browser.complaints() == []


def test_costs_of_operators_sort_by_their_numbers(browser: Page, pages: dict[str, Path]) -> None:
    browser.open(pages["rich"], width=1280)
    browser.evaluate(_OPEN)
    table = "document.querySelector('[aria-label^=\"Cost of operators\"] table')"
    names = f"[...{table}.querySelectorAll('tbody code')].map((e) => e.textContent)"
    assert browser.evaluate(names)[0] == "/stem/conv/Conv"
    browser.evaluate(f"{table}.querySelectorAll('thead button')[1].click()")
    assert browser.evaluate(names) == [
        "/stages/0/conv2/Conv",
        "/stages/1",
        "/head/Gemm",
        "/stem/conv/Conv",
    ]


def test_runs_sort_by_how_much_faster_they_are_and_the_unmeasured_comes_last(
    browser: Page, pages: dict[str, Path]
) -> None:
    browser.open(pages["several"], width=1280)
    names = "[...document.querySelectorAll('table.overview tbody a')].map((e) => e.textContent)"
    click = "document.querySelectorAll('table.overview thead button')[4].click()"
    assert browser.evaluate(names) == ["fashion", "teacher", "slower"]
    browser.evaluate(click)
    assert browser.evaluate(names) == ["slower", "fashion", "teacher"]
    browser.evaluate(click)
    assert browser.evaluate(names) == ["fashion", "slower", "teacher"]


@pytest.mark.parametrize("width", [390, 1280])
def test_a_slice_opens_and_closes(browser: Page, pages: dict[str, Path], width: int) -> None:
    browser.open(pages["rich"], width=width)
    words = "document.querySelector('details.slice').innerText"
    assert "Lost sample ids" not in browser.evaluate(words)
    x, y = browser.evaluate(
        """(() => {
          const summary = document.querySelector("details.slice > summary");
          summary.scrollIntoView({block: "center"});
          const box = summary.getBoundingClientRect();
          return [box.left + box.width / 2, box.top + box.height / 2];
        })()"""
    )
    for kind in ("mousePressed", "mouseReleased"):
        browser.send("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)
    shown = browser.evaluate(words)
    assert "class Shirt" in shown
    assert "1,000" in shown
    assert "84.9 %" in shown
    assert "98, 6" in shown
    assert "Lost sample ids: 7, 10, 13" in shown
    assert "and 78 more" in shown
    _focus(browser, "details.slice > summary")
    browser.press("Enter")
    assert browser.evaluate("document.querySelector('details.slice').open") is False
    browser.press("Space")
    assert browser.evaluate("document.querySelector('details.slice').open") is True
    assert browser.complaints() == []


@pytest.mark.parametrize(
    ("name", "width", "dark"),
    [
        ("rich", 1280, False),
        ("rich", 390, True),
        ("several", 390, False),
        ("several", 1280, True),
        ("gpu", 390, False),
    ],
)
def test_the_tab_key_goes_through_everything_in_order_and_shows_where_it_is(
    browser: Page, pages: dict[str, Path], name: str, width: int, dark: bool
) -> None:
    browser.open(pages[name], width=width, dark=dark)
    browser.evaluate(_OPEN)
    count = browser.evaluate(_STOPS)
    assert count > 10
    stops: list[dict[str, Any]] = []
    for _ in range(count):
        browser.press("Tab")
        stops.append(browser.evaluate(_FOCUS))
    assert [stop["place"] for stop in stops] == list(range(count))
    for stop in stops:
        assert (stop["outline"], stop["thick"], stop["seen"]) == ("solid", 3, True), stop
        assert min(stop["width"], stop["height"]) > 8, stop
        assert 0 <= stop["left"] < width, stop
        assert stop["bottom"] > 0, stop
        assert stop["top"] < 900, stop
    assert browser.complaints() == []


def test_the_first_stop_leads_to_the_report(browser: Page, pages: dict[str, Path]) -> None:
    browser.open(pages["rich"], width=1280)
    browser.press("Tab")
    assert browser.evaluate("document.activeElement.textContent") == "Skip to the report"
    browser.press("Enter")
    assert browser.evaluate("location.hash") == "#main"


@pytest.mark.parametrize("width", [390, 800, 1280])
def test_accuracy_against_latency_and_size_stand_side_by_side_and_stacked_on_a_phone(
    browser: Page, pages: dict[str, Path], width: int
) -> None:
    browser.open(pages["several"], width=width)
    boxes = browser.evaluate(
        """[...document.querySelectorAll("section[aria-labelledby=overview] svg[role=img]")]
          .filter((s) => s.checkVisibility())
          .map((s) => [s.querySelector("title").textContent, s.getBoundingClientRect()])
          .map(([name, box]) => [name, box.left, box.top, box.right, box.width])"""
    )
    assert [box[0] for box in boxes] == ["Accuracy against latency", "Accuracy against file size"]
    (_, _, top, right, wide), (_, left, other_top, _, other_wide) = boxes
    assert wide == pytest.approx(other_wide, abs=1)
    if width == 390:
        assert other_top > top + 200
    else:
        assert other_top == pytest.approx(top, abs=1)
        assert left > right
