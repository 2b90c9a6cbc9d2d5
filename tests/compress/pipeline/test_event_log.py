from __future__ import annotations

import math
from datetime import UTC, datetime
from pathlib import Path

from compress.pipeline.event_log import EventLog, read_events
from exporters.events import Event


def noon() -> datetime:
    return datetime(2026, 11, 24, 12, tzinfo=UTC)


def test_an_event_is_one_line_with_its_time(tmp_path: Path) -> None:
    with EventLog(tmp_path, clock=noon) as log:
        log(Event("progress", "train", "epoch 1\n of 2", 0.5, {"loss": 1.25}))
        log(Event("done", "train"))
    assert log.path.read_bytes().count(b"\n") == 2
    assert read_events(log.path)[0] == {
        "at": "2026-11-24T12:00:00.000+00:00",
        "kind": "progress",
        "stage": "train",
        "message": "epoch 1\n of 2",
        "progress": 0.5,
        "data": {"loss": 1.25},
    }


def test_numbers_and_things_that_json_has_not_become_text(tmp_path: Path) -> None:
    with EventLog(tmp_path) as log:
        log(Event("x", "s", data={"loss": math.nan, "path": Path("a"), "all": [math.inf, (1,)]}))
    assert read_events(log.path)[0]["data"] == {
        "loss": "nan",
        "path": "a",
        "all": ["inf", [1]],
    }


def test_a_log_cut_at_any_byte_keeps_its_whole_lines_and_goes_on(tmp_path: Path) -> None:
    with EventLog(tmp_path, clock=noon) as log:
        for number in range(3):
            log(Event("step", "train", str(number)))
    whole = log.path.read_bytes()
    for length in range(len(whole)):
        log.path.write_bytes(whole[:length])
        lines = whole[:length].count(b"\n")
        assert len(read_events(log.path)) == lines
        with EventLog(tmp_path, clock=noon) as again:
            again(Event("resumed", "train"))
        kinds = [event["kind"] for event in read_events(log.path)]
        assert kinds == ["step"] * lines + ["resumed"]


def test_a_cleared_log_is_gone_and_the_next_one_is_empty(tmp_path: Path) -> None:
    log = EventLog(tmp_path)
    log(Event("done", "train"))
    log.clear()
    assert not log.path.exists()
    with EventLog(tmp_path) as log:
        assert read_events(log.path) == []
