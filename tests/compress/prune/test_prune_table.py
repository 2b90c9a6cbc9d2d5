"""The table of architectures: a line per network, skipped when present, and what counts as good."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import networks
import pytest

networks.tool("prune_networks")
TOOL = networks.tool("prune_table")


@pytest.mark.slow
def test_every_reduced_network_is_pruned_exported_and_answers_as_in_torch(tmp_path: Path) -> None:
    results = tmp_path / "rows.jsonl"
    assert TOOL.main(["--small", "--no-latency", "--results", str(results)]) == 0
    rows = TOOL.read_rows(results)
    assert [row["network"] for row in rows if row["status"] != "green"] == []
    assert all(row["pruned"]["difference"] < 1e-3 for row in rows)
    assert TOOL.acceptable(rows)


@pytest.mark.slow
def test_a_line_says_what_was_done_and_is_not_done_again(tmp_path: Path) -> None:
    results = tmp_path / "rows.jsonl"
    arguments = ["--small", "--no-latency", "--results", str(results), "distilbert"]
    assert TOOL.main(arguments) == 0
    (row,) = TOOL.read_rows(results)
    assert row["status"] == "green"
    assert row["cpu_model"]
    assert row["macs_left"] == pytest.approx(0.5, abs=0.06)
    assert row["whole"]["bytes"] > row["pruned"]["bytes"]
    before = results.read_bytes()
    assert TOOL.main(arguments) == 0
    assert results.read_bytes() == before
    assert "| distilbert | 4" in TOOL.page([row]) or "| distilbert | 5" in TOOL.page([row])


def _row(network: str, status: str = "green") -> dict[str, Any]:
    return {"network": network, "status": status, "error": "aten.fft", "cpu_model": "a"}


def test_three_of_twelve_may_be_red_but_not_those_that_everybody_uses() -> None:
    names = list(TOOL.NETWORKS)
    others = [name for name in names if name not in TOOL.NEVER_RED]
    assert TOOL.acceptable([_row(name) for name in names])
    assert not TOOL.acceptable([_row(name) for name in names[:11]])
    for reds, good in ((others[:3], True), (others[:4], False), (["bert-base"], False)):
        rows = [_row(name, "red" if name in reds else "green") for name in names]
        assert TOOL.acceptable(rows) is good
    assert "| bert-base | red: aten.fft |" in TOOL.page([_row("bert-base", "red")])


def test_an_unknown_network_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        TOOL.main(["resnet-51"])
    assert "no network resnet-51" in capsys.readouterr().err
