"""Waivers and tighter limits change one thing in a gate file, and keep its comments."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from compress.errors import InputError
from compress.gate.amend import add_waiver, ratchet_limits, tighten
from compress.gate.gate_file import load_gate

TODAY = date(2026, 11, 24)
LATER = date(2026, 12, 31)
GATE = """\
# what we promise
schema: 1
from: [run]
budgets:
  - {id: size, metric: file_bytes, max: 1MiB}  # of the file
  - id: ratio
    metric: file_bytes
    vs: teacher
    max_ratio: 0.5x   # half
  - {id: speed, metric: latency.p50, vs: teacher, min_speedup: 2x}
"""
BLOCK = """waivers:
  # agreed in the meeting
  - {budget: speed, until: 2026-12-01, reason: "slow machine"}
"""


def write(folder: Path, text: str) -> Path:
    path = folder / "distil.gate.yaml"
    path.write_text(text)
    return path


@pytest.mark.parametrize("tail", ["", "waivers: []\n", BLOCK])
def test_a_waiver_is_one_more_line(tmp_path: Path, tail: str) -> None:
    path = write(tmp_path, GATE + tail)
    reason = 'new: "vocab" #12, {x}'
    line = add_waiver(path, "size", until=LATER, reason=reason, today=TODAY, limit={"max": "2MiB"})
    text = path.read_text()
    assert text.startswith(GATE)
    assert text.count(line) == 1
    waiver = load_gate(path).waivers[-1]
    assert (waiver.budget, waiver.until, waiver.reason, waiver.max) == (
        "size",
        LATER,
        reason,
        "2MiB",
    )


def test_an_ended_waiver_is_replaced_and_a_valid_one_is_not(tmp_path: Path) -> None:
    path = write(tmp_path, GATE + BLOCK.replace("2026-12-01", "2026-11-01"))
    add_waiver(path, "speed", until=LATER, reason="again", today=TODAY)
    assert [w.reason for w in load_gate(path).waivers] == ["again"]
    with pytest.raises(InputError, match="'speed' is waived until 2026-12-31"):
        add_waiver(path, "speed", until=LATER, reason="again", today=TODAY)


@pytest.mark.parametrize(
    ("budget", "until", "said"),
    [("sise", LATER, "did you mean 'size'"), ("size", date(2026, 11, 23), "has passed")],
)
def test_a_waiver_needs_a_budget_and_a_day_to_come(
    tmp_path: Path, budget: str, until: date, said: str
) -> None:
    path = write(tmp_path, GATE)
    with pytest.raises(InputError, match=said):
        add_waiver(path, budget, until=until, reason="x", today=TODAY)
    assert path.read_text() == GATE


def test_what_cannot_be_changed_safely_is_shown_instead(tmp_path: Path) -> None:
    flow = GATE + "waivers: [{budget: speed, until: 2026-12-01, reason: x}]\n"
    path = write(tmp_path, flow)
    with pytest.raises(InputError, match=r"write it by hand: - \{budget: size"):
        add_waiver(path, "size", until=LATER, reason="x", today=TODAY)
    assert path.read_text() == flow


def test_limits_tighten_in_place(tmp_path: Path) -> None:
    path = write(tmp_path, GATE)
    limits = ratchet_limits(load_gate(path), {"size": 100_001.0, "ratio": 1 / 3})
    assert limits == {"size": ("max", "100001B"), "ratio": ("max_ratio", "0.33334x")}
    tighten(path, limits)
    assert path.read_text() == GATE.replace("1MiB", "100001B").replace("0.5x", "0.33334x")


def test_a_ratchet_never_loosens(tmp_path: Path) -> None:
    gate = load_gate(write(tmp_path, GATE))
    assert ratchet_limits(gate, {"size": float(1 << 20), "ratio": 0.6}) == {}
    assert list(ratchet_limits(gate, {"size": 5.0, "ratio": 0.1}, ["ratio"])) == ["ratio"]
