"""What measuring costs, kept as lines: each is made once, and says what its limit is."""

from __future__ import annotations

import json
import math
from pathlib import Path

from benchmarks.evidence.networks import Pair
from benchmarks.evidence.overhead import (
    added_ns,
    pairs,
    record_missing,
    record_verdict,
    summary,
)
from benchmarks.pace import Pace


def test_each_number_is_recorded_once_and_kept(tmp_path: Path, hurried: Pace) -> None:
    path, said = tmp_path / "overhead.jsonl", list[str]()
    twin = Pair(kind="twin", number=400)
    wanted = [
        ("added", lambda: {"added_ns": [added_ns(calls=20, rounds=3)]}),
        (twin.name, lambda: record_verdict(twin, pace=hurried, limit_s=0.1)),
    ]
    record_missing(path, wanted, say=said.append)
    again = record_missing(path, wanted, say=said.append)
    assert [line["unit"] for line in again] == ["added", "twin-400"]
    assert [json.loads(line) for line in said] == again
    assert math.isfinite(again[0]["added_ns"][0])
    assert (again[1]["verdict"], again[1]["epochs"]) == ("inconclusive", 1)
    assert again[1]["seconds"] > 0 < again[1]["call_ms"]


def test_the_networks_have_four_times_the_positions_and_are_no_others_twins() -> None:
    for pair in pairs():
        usual = Pair(kind=pair.kind, number=pair.number).input_shape()
        assert math.prod(pair.input_shape()) == 4 * math.prod(usual)
    assert len({pair.name for pair in pairs()}) == 8
    assert {pair.family for pair in pairs()} == {"conv", "residual", "separable", "dense"}


def test_both_numbers_stand_beside_their_limits() -> None:
    lines = [
        {"unit": "added", "added_ns": [150.0, 250.0, 180.0]},
        {"unit": "twin-400", "seconds": 20.0},
        {"unit": "plus2-400", "seconds": 31.0},
    ]
    text = summary(lines)
    assert "180 ns, 250 ns at most in 3 processes (limit 1000 ns)" in text
    assert "26 s, 31 s at most in 2 comparisons (limit 45 s)" in text
    ten = [{"unit": "added", "added_ns": [float(n) for n in range(10, 110, 10)]}, *lines[1:]]
    assert "55 ns (20 to 90 at 97.9%), 100 ns at most in 10 processes" in summary(ten)
