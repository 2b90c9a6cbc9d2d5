"""The page in a real browser: nothing is fetched, nothing fails, nothing is cut, all has a name."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest

from tests.compress.report.chromium import Page

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

_OPEN = "document.querySelectorAll('details').forEach((part) => { part.open = true; })"


@pytest.mark.parametrize(
    ("name", "width", "dark"),
    [
        ("rich", 1280, False),
        ("rich", 390, True),
        ("rich", 800, False),
        ("plain", 390, False),
        ("several", 1280, True),
        ("several", 390, True),
        ("gpu", 390, True),
        ("gpu", 1280, False),
        ("search", 390, False),
        ("search", 1280, True),
        ("hostile", 390, False),
        ("hostile", 1280, False),
    ],
)
def test_the_page_renders_whole_and_alone(
    browser: Page, pages: dict[str, Path], name: str, width: int, dark: bool
) -> None:
    browser.open(pages[name], width=width, dark=dark)
    browser.evaluate(_OPEN)
    assert browser.evaluate("document.documentElement.scrollWidth") <= width
    assert browser.evaluate(_OVERFLOW) == []
    assert browser.evaluate(_OVERLAPS) == []
    assert browser.requests() == [pages[name].as_uri()]
    assert browser.complaints() == []


def test_the_verdict_is_in_sight_at_once(browser: Page, pages: dict[str, Path]) -> None:
    browser.open(pages["rich"], width=390)
    verdict = "document.querySelector('.verdict')"
    assert "1 of 6 budgets not measured" in browser.evaluate(f"{verdict}.innerText")
    assert browser.evaluate(f"{verdict}.getBoundingClientRect().bottom") < 500


def test_dark_mode_follows_the_system(browser: Page, pages: dict[str, Path]) -> None:
    background = "getComputedStyle(document.body).backgroundColor"
    browser.open(pages["rich"], width=1280, dark=True)
    assert browser.evaluate(background) == "rgb(20, 23, 26)"
    browser.open(pages["rich"], width=1280, dark=False)
    assert browser.evaluate(background) == "rgb(252, 251, 249)"


@pytest.mark.parametrize("name", ["rich", "several", "gpu", "search", "hostile"])
def test_every_picture_has_a_name_for_screen_readers(
    browser: Page, pages: dict[str, Path], name: str
) -> None:
    browser.open(pages[name], width=1280)
    drawn = browser.evaluate(
        "[...document.querySelectorAll('svg[role=img]')].filter((s) => s.checkVisibility()).length"
    )
    named = [told for role, told in browser.roles() if role == "image"]
    assert len(named) == drawn > 3
    assert all(named)
    unhidden = "document.querySelectorAll('svg:not([role=img]):not([aria-hidden=true])').length"
    assert browser.evaluate(unhidden) == 0


@pytest.mark.parametrize("name", ["rich", "plain", "several", "gpu", "search"])
def test_headings_follow_each_other(browser: Page, pages: dict[str, Path], name: str) -> None:
    browser.open(pages[name], width=1280)
    levels = browser.evaluate(
        "[...document.querySelectorAll('h1, h2, h3, h4, h5, h6')].map((h) => +h.tagName[1])"
    )
    assert levels[0] == 1
    assert len(levels) > 2
    assert all(after <= before + 1 for before, after in pairwise(levels))
    empty = "[...document.querySelectorAll('h1, h2, h3, h4')].filter((h) => !h.innerText.trim())"
    assert browser.evaluate(f"{empty}.length") == 0


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
