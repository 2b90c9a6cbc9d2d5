"""A browser, and pages of every kind of report, for the tests that look at them."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path

import pytest

from compress.report import render_html
from tests.compress.report.chromium import Page, chromium_page, find_chromium
from tests.compress.report.sample import plain_report, sample_report
from tests.compress.report.sample_gpu import gpu_report
from tests.compress.report.sample_hostile import hostile_report
from tests.compress.report.test_search_page import facts, with_search


@pytest.fixture(scope="module")
def browser() -> Iterator[Page]:
    chromium = find_chromium()
    if chromium is None:
        pytest.skip("no Chromium here: install the Debian package chromium")
    with chromium_page(chromium) as page:
        yield page


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """name -> a page: rich, plain, gpu, search, hostile, several."""
    folder = tmp_path_factory.mktemp("pages")
    slower = dataclasses.replace(sample_report(controls=False, seed=9), name="slower")
    assert slower.measured is not None
    comparisons = tuple(
        dataclasses.replace(found, speedup=1 / 1.4) for found in slower.measured.comparisons
    )
    measured = dataclasses.replace(slower.measured, comparisons=comparisons)
    reports = {
        "rich": [sample_report()],
        "plain": [plain_report()],
        "gpu": [gpu_report()],
        "search": [with_search(facts(binding="speed"))],
        "hostile": [hostile_report()],
        "several": [
            sample_report(controls=False),
            plain_report(),
            dataclasses.replace(slower, measured=measured),
        ],
    }
    for name, content in reports.items():
        (folder / f"{name}.html").write_text(render_html(content), encoding="utf-8")
    return {name: folder / f"{name}.html" for name in reports}
