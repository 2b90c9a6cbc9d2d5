"""Budgets against the last release: stored numbers count where they can, and never pass unseen."""

from __future__ import annotations

import dataclasses
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from gate_sample import B1, MIB, budget, report

from compress.errors import BaselineMissing, InputError
from compress.gate.baseline import Baseline, BaselineState, Machine, StoredCell, machine_of
from compress.gate.baseline_diff import diff_lines
from compress.gate.evidence import empty_report
from compress.gate.gate_file import load_gate
from compress.gate.judge import exit_code, judge
from compress.gate.result import run_gate
from compress.report.baseline_file import find_baseline, read_baseline, write_baseline
from compress.report.serialise import encode_report, load_report
from compress.values import ModelFacts, Report, Verdict

TODAY = date(2026, 11, 24)


def facts(subject: str = "baseline", *, size: int = 100_000, params: int = 78_042) -> ModelFacts:
    return ModelFacts(
        subject=subject,
        digest="ee" * 32,
        file_sha256="ee" * 32,
        size_bytes=size,
        parameters=params,
        macs=1_000_000,
        precision="float32",
        operators={"MatMul": 3},
        tensors=(),
    )


def baseline(**changes: Any) -> Baseline:
    found: dict[str, Any] = {
        "schema": 1,
        "updated_at": "2026-11-20T10:00:00+00:00",
        "reason": "release 1",
        "commit": "",
        "model": "",
        "facts": facts(),
        "machine": machine_of(report()),
        "data_fingerprint": "00",
        "quality": None,
        "cells": (
            StoredCell(setting=B1, p50_ms=0.2, peak_bytes=44 * MIB, peak_delta_bytes=4 * MIB),
        ),
        "predictions": "",
        "predictions_sha256": "",
        "history": (),
    }
    return Baseline(**{**found, **changes})


def state(stored: Baseline | None = None, **changes: Any) -> BaselineState:
    found: dict[str, Any] = {
        "stored": stored or baseline(),
        "file_sha256": "ee" * 32,
        "model": None,
        **changes,
    }
    return BaselineState(**found)


def verdict(known: BaselineState | None, evidence: Report | None = None, **fields: Any) -> Verdict:
    made = budget(vs="baseline", **fields)
    return judge(evidence or report(), [made], baseline=known)[0]


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({"metric": "file_bytes", "max_increase": "0%"}, "pass"),
        ({"metric": "params", "max_increase": "0%"}, "pass"),
        ({"metric": "macs", "max_ratio": "0.9x"}, "violated"),
        ({"metric": "memory.peak_rss_delta", "max_increase": "0%"}, "pass"),
        ({"metric": "memory.peak_rss", "max_ratio": "0.99x"}, "violated"),
    ],
)
def test_stored_numbers_without_noise_are_judged(fields: dict[str, Any], status: str) -> None:
    assert verdict(state(), **fields).status == status


@pytest.mark.parametrize(
    ("machine", "said"),
    [
        (Machine(cpu_model="other", cpu_flags=(), onnxruntime=""), "another CPU: other then"),
        (Machine(cpu_model="toy", cpu_flags=("avx2",), onnxruntime=""), "another CPU: avx2"),
        (Machine(cpu_model="toy", cpu_flags=(), onnxruntime="1.23"), "another onnxruntime: 1.23"),
        (None, "is not known"),
    ],
)
def test_memory_of_another_machine_or_runtime_is_inconclusive(
    machine: Machine | None, said: str
) -> None:
    found = verdict(state(baseline(machine=machine)), metric="memory.peak_rss", max_increase="100%")
    assert found.status == "inconclusive"
    assert said in found.reason
    assert exit_code([found]) == 3


def test_answers_on_another_data_set_are_inconclusive() -> None:
    known = state(baseline(data_fingerprint="11"))
    found = verdict(known, metric="accuracy", max_drop="50pp")
    assert found.status == "inconclusive"
    assert "another data set" in found.reason


def test_stored_answers_are_measured_against_only_where_the_gate_names_a_task() -> None:
    stored = baseline(predictions="b.npz", facts=dataclasses.replace(facts(), precision="int8"))
    fields: dict[str, Any] = {"metric": "accuracy", "max_drop": "50pp"}
    known = state(stored, folder=Path("."))
    assert verdict(known, **fields).missing == "baseline"
    known = dataclasses.replace(known, by_task=True)
    assert verdict(known, **fields).missing == "measurement"
    other = Machine(cpu_model="other", cpu_flags=(), onnxruntime="")
    known = dataclasses.replace(known, stored=dataclasses.replace(stored, answered_on=other))
    found = verdict(known, **fields)
    assert (found.status, found.missing) == ("inconclusive", None)
    assert "another CPU: other then, toy now" in found.reason


def test_a_stored_time_is_shown_and_never_judged(tmp_path: Path) -> None:
    model = tmp_path / "baseline.onnx"
    found = verdict(state(model=model), metric="latency.p50", max_increase="1000%")
    assert (found.status, found.missing) == ("unmeasured", "baseline")
    assert exit_code([found]) == 5
    model.write_bytes(b"x")
    found = verdict(state(model=model), metric="latency.p50", max_increase="1000%")
    assert (found.status, found.missing) == ("unmeasured", "measurement")
    assert "then 0.2 ms" in found.reason
    assert "distil gate --measure" in found.reason
    assert exit_code([found]) == 2


@pytest.mark.parametrize(("missing", "code"), [("fail", 5), ("warn", 0), ("seed", 0)])
def test_no_baseline_follows_the_word_of_the_gate_file(missing: Any, code: int) -> None:
    known = BaselineState(
        stored=None, file_sha256=None, model=None, problem="there is none", missing=missing
    )
    found = verdict(known, metric="file_bytes", max_increase="0%")
    assert found.status != "pass"
    assert exit_code([found]) == code


def test_without_any_baseline_it_is_exit_5() -> None:
    assert exit_code([verdict(None, metric="file_bytes", max_increase="0%")]) == 5


GATE = """\
schema: 1
from: [report.json]
baseline: {missing: %s}
budgets:
  - {id: grown, metric: file_bytes, vs: baseline, max_increase: 0%%}
"""


def load(path: Path, samples: bool) -> Report:
    return load_report(path, samples=samples)


def gated(folder: Path, missing: str = "fail") -> int:
    path = folder / "distil.gate.yaml"
    path.write_text(GATE % missing)
    student = dataclasses.replace(
        empty_report("toy"), created_at="2026-11-24", models=(facts("student"),)
    )
    (folder / "report.json").write_text(encode_report(student).report)
    found = run_gate(load_gate(path), load_report=load, today=TODAY, find_baseline=find_baseline)
    return found.exit_code


def test_a_store_is_read_as_it_was_written(tmp_path: Path) -> None:
    store = tmp_path / "distil.baseline.json"
    write_baseline(store, baseline())
    assert read_baseline(store.read_text(), where="x") == baseline()
    assert gated(tmp_path) == 0
    write_baseline(store, baseline(facts=facts(size=99_999)))
    assert gated(tmp_path) == 1


@pytest.mark.parametrize(
    "text", [None, "", "{", "[]", '{"schema": 2}', '{"schema": 1}', '{"schema": true}', "\x00"]
)
def test_a_missing_malformed_or_newer_store_is_exit_5_unless_the_file_says_warn(
    tmp_path: Path, text: str | None
) -> None:
    if text is not None:
        (tmp_path / "distil.baseline.json").write_text(text)
    assert gated(tmp_path) == 5
    assert gated(tmp_path, "warn") == 0


def test_a_model_that_the_store_is_not_of_is_exit_5(tmp_path: Path) -> None:
    write_baseline(tmp_path / "distil.baseline.json", baseline(model="b.onnx"))
    assert gated(tmp_path) == 0
    (tmp_path / "b.onnx").write_bytes(b"another")
    assert gated(tmp_path) == 5


def test_a_commit_that_looks_like_an_option_is_none(tmp_path: Path) -> None:
    path = tmp_path / "distil.gate.yaml"
    path.write_text(GATE % "fail")
    gate = load_gate(path).with_baseline_ref("--output=x")
    found = find_baseline(gate)
    assert found is not None
    assert "is no commit here" in found.problem
    assert list(tmp_path.iterdir()) == [path]


def test_diff_says_what_grew_and_refuses_without_a_store() -> None:
    grown = dataclasses.replace(facts("student", size=110_240), file_sha256="ff" * 32)
    lines = diff_lines(state(), grown, report())
    text = "\n".join(lines)
    assert "97.7 KiB -> 108 KiB" in text
    assert "+10 KiB of the file" in text
    assert "4 MiB -> 4 MiB, cpu, batch 1, 1 thread" in text
    with pytest.raises(BaselineMissing) as caught:
        diff_lines(None, facts("student"), None)
    assert caught.value.exit_code == 5


def test_evidence_of_another_candidate_or_age_is_set_aside(tmp_path: Path) -> None:
    (tmp_path / "student.onnx").write_bytes(b"new")
    text = (GATE % "warn").replace("baseline:", "candidate: student.onnx\nbaseline:")
    path = tmp_path / "distil.gate.yaml"
    path.write_text(text.replace("vs: baseline, max_increase: 0%", "max: 1MiB"))
    old = dataclasses.replace(
        empty_report("toy"), created_at="2026-11-01", models=(facts("student"),)
    )
    (tmp_path / "report.json").write_text(encode_report(old).report)
    found = run_gate(load_gate(path), load_report=load, today=TODAY)
    assert found.exit_code == 2
    assert found.notes == ("report.json is set aside: it is about another student.onnx",)
    (tmp_path / "student.onnx").unlink()
    path.write_text(path.read_text().replace("candidate: student.onnx", "max_age: 20d"))
    found = run_gate(load_gate(path), load_report=load, today=TODAY)
    assert found.notes == ("report.json is set aside: it is 23 days old",)


def test_a_candidate_that_is_absent_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "distil.gate.yaml"
    path.write_text(GATE.replace("from: [report.json]", "candidate: student.onnx") % "warn")
    with pytest.raises(InputError, match=r"student\.onnx"):
        run_gate(load_gate(path), load_report=load, today=TODAY)
