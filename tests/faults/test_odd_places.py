"""A whole run from and in places that nobody planned for."""

from __future__ import annotations

import json

import onnxruntime
from fault_commands import Server
from finished_run import Good


def test_a_run_in_an_odd_place_is_whole_and_silent(good: Good, server: Server) -> None:
    assert (good.ended.code, good.ended.err) == (0, [])
    report = json.loads((good.out / "report.json").read_text())
    assert {verdict["status"] for verdict in report["verdicts"]} == {"pass"}
    onnxruntime.InferenceSession((good.out / "student.onnx").read_bytes())
    checked = server.run("verify", good.out, cwd=good.cwd)
    assert (checked.code, checked.err) == (0, [])
