"""`distil quantize` without a scheme: what is faster ships, what is not leaves no file."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from distil_command import Call
from small_transformer import ids, small_transformer

from benchmarks.values import Comparison, ComparisonWord, Setting
from compress.quantize import api, job
from compress.quantize.choice import Wanted


def given(
    monkeypatch: pytest.MonkeyPatch, verdict: ComparisonWord, **times: float
) -> list[dict[str, Any]]:
    """Times in place of measured ones: of a first look in ms by name, 5 of what isn't named. The
    settings of each comparison."""
    asked: list[dict[str, Any]] = []

    def first_look(files: Mapping[str, Path], feeds: Any, **settings: Any) -> dict[str, float]:
        return {name: times.get(name, 5.0) if name else 10.0 for name in files}

    def compared(reference: Path, candidate: Path, **settings: Any) -> Comparison:
        asked.append(settings)
        return Comparison(
            reference="float.onnx",
            candidate="int8.onnx",
            setting=Setting(device="cpu", threads=settings["threads"], batch=settings["batch"]),
            log_ratios=(-0.7,),
            speedup=2.0,
            speedup_low=1.9,
            speedup_high=2.1,
            verdict=verdict,
            smallest_detectable=0.02,
        )

    monkeypatch.setattr(api, "Wanted", partial(Wanted, times=first_look))
    monkeypatch.setattr(job, "quick_compare", compared)
    return asked


@pytest.fixture
def source(tmp_path: Path) -> Path:
    np.savez(tmp_path / "samples.npz", ids=ids(96))
    return small_transformer(tmp_path / "float.onnx").path


AUTO = ("--data", "samples.npz", "--metric", "cosine", "--json", "made.json")


def test_what_is_proven_faster_is_written(
    source: Path, tmp_path: Path, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = given(monkeypatch, "faster", static=4.0, row=6.0, dynamic=3.0)
    result = call("quantize", source, "int8.onnx", *AUTO, "--threads", "1")
    assert result.code == 0, result.err
    assert "int8.onnx: static, " in result.out
    assert "the fastest of those that keep the accuracy asked for" in result.out
    assert "speed: it is faster: 2.00x (95 % interval 1.90 to 2.10x) at batch 1" in result.out
    assert (tmp_path / "int8.onnx").stat().st_size < source.stat().st_size
    kept = json.loads((tmp_path / "made.json").read_text())["result"]
    assert [(one["name"], one["outcome"]) for one in kept["tried"]][-1] == ("static", "taken")
    assert [one["batch"] for one in asked] == [1]


@pytest.mark.parametrize("verdict", ["slower", "no-slower", "inconclusive"])
def test_what_is_not_proven_faster_is_not_written(
    verdict: ComparisonWord,
    source: Path,
    tmp_path: Path,
    call: Call,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    given(monkeypatch, verdict, static=4.0, row=6.0, dynamic=3.0)
    result = call("quantize", source, "int8.onnx", *AUTO)
    assert result.code == 1
    said = f"int8.onnx: not written: static is not proven faster than the float file ({verdict})"
    assert said in result.out
    assert not (tmp_path / "int8.onnx").exists()
    kept = json.loads((tmp_path / "made.json").read_text())
    assert (kept["exit_code"], kept["result"]["artifact"]) == (1, None)


def test_where_nothing_looks_faster_the_nearest_is_named(
    source: Path, tmp_path: Path, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = given(monkeypatch, "faster", static=12.0, row=9.9, dynamic=14.0)
    result = call("quantize", source, "int8.onnx", *AUTO)
    assert result.code == 1
    said = "no candidate was faster than float: the nearest, row, takes 9.9 ms where it takes 10 ms"
    assert f"int8.onnx: not written: {said}" in result.out
    assert not (tmp_path / "int8.onnx").exists()
    assert asked == []
