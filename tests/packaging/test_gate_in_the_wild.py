"""The history in the wild: 30 and 10 changes, each doing to the model what its name says."""

from __future__ import annotations

import importlib
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from exporters.run import run_batches
from exporters.session import open_session

ROOT = Path(__file__).parents[2]
ROWS = 200


@pytest.fixture
def tools(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Any:
    """import_module for files of tools/."""
    monkeypatch.syspath_prepend(str(request.config.rootpath / "tools"))
    return importlib.import_module


def test_the_history_has_30_harmless_and_10_hurting_changes(tools: Any) -> None:
    history = tools("wild_history")
    found = history.changes()
    assert len(found) == 40
    assert [change.number for change in found] == list(range(1, 41))
    assert sum(change.hurts for change in found) == 10
    assert {change.kind for change in found if change.hurts} == set(history.HURTS)


def test_another_form_or_layout_gives_the_same_answers(tools: Any, tmp_path: Any) -> None:
    networks = tools("wild_networks")
    rng = np.random.default_rng(0)
    wide = networks.CHANNELS
    features = wide * 16 + 256
    network = networks.Network(
        kernels=tuple(
            rng.standard_normal((wide, 1 if i == 0 else wide, 3, 3)).astype(np.float32) / 20
            for i in range(networks.LAYERS)
        ),
        biases=tuple(rng.standard_normal(wide).astype(np.float32) for _ in range(networks.LAYERS)),
        last=rng.standard_normal((features, 10)).astype(np.float32),
        offset=np.zeros(10, dtype=np.float32),
    )
    pixels, _ = tools("wild_data").samples(ROWS, seed=1)
    inputs = pixels.astype(np.float32) / np.float32(255)
    answers = []
    for number, change in enumerate(
        ({}, {"layout": 5}, {"form": "slow-relu"}, {"form": "split-norm", "spoiled": 3})
    ):
        path = tmp_path / f"{number}.onnx"
        path.write_bytes(networks.to_onnx(replace(network, **change)).SerializeToString())
        answers.append(run_batches(open_session(path), inputs, batch=ROWS))
    for other in answers[1:]:
        np.testing.assert_allclose(other, answers[0], rtol=1e-3, atol=1e-3)
    assert len({p.read_bytes() for p in tmp_path.iterdir()}) == 4


def test_the_page_counts_blocks_and_catches(tools: Any) -> None:
    wild = tools("gate_in_the_wild")
    line = {
        "kind": "docs",
        "verdicts": {"size": "pass"},
        "error": None,
        "seconds": 1.0,
        "load": [0.1, 0.2],
        "cpu_model": "toy",
        "allowed_cpus": 1,
    }
    lines = [{**line, "commit": n, "hurts": False, "exit_code": 0} for n in range(1, 30)]
    lines.append({**line, "commit": 30, "hurts": False, "exit_code": 3})
    lines += [{**line, "commit": n, "hurts": True, "exit_code": 1} for n in range(31, 40)]
    lines.append({**line, "commit": 40, "hurts": True, "exit_code": 3})
    page = wild.summary(lines, source="x.jsonl")
    assert "1 of 30 blocked (true rate below 15% at 95 %)" in page
    assert "9 of 10 caught (true rate above 60% at 95 %)" in page
    lines[-1]["exit_code"] = 1
    assert "10 of 10 caught (true rate above 74%" in wild.summary(lines, source="x.jsonl")


def test_with_every_commit_recorded_only_the_page_is_made(tools: Any, tmp_path: Path) -> None:
    results = tmp_path / "wild.jsonl"
    shutil.copyfile(ROOT / "docs" / "results" / "gate-in-the-wild.jsonl", results)
    work = tmp_path / "work"
    assert tools("gate_in_the_wild").main(["--results", str(results), "--work", str(work)]) == 0
    assert "40 of 40 commits are judged" in results.with_suffix(".md").read_text()
    assert not work.exists()
