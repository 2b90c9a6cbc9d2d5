"""The gate file and its evidence: nothing passes because nothing was read."""

from __future__ import annotations

import dataclasses
import hashlib
from datetime import date
from pathlib import Path

import pytest
from gate_sample import DIGEST, report

from compress.errors import InputError
from compress.gate.evidence import read_evidence
from compress.gate.gate_file import load_gate
from compress.gate.result import run_gate
from compress.report.serialise import encode_report, load_report
from compress.values import Report

GATE = """\
schema: 1
from: [run]
budgets:
  - {id: size, metric: file_bytes, max: 1MiB}
  - {id: speed, metric: latency.p50, vs: teacher, min_speedup: 2x}
waivers:
  - {budget: size, until: 2026-12-31, reason: "#123", max: 2MiB}
"""


def write(folder: Path, text: str = GATE) -> Path:
    path = folder / "distil.gate.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def store(folder: Path, found: Report) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    encoded = encode_report(found)
    (folder / "report.json").write_text(encoded.report)
    if encoded.samples is not None and encoded.samples_name is not None:
        (folder / encoded.samples_name).write_text(encoded.samples)


def load(path: Path, samples: bool) -> Report:
    return load_report(path, samples=samples)


def test_a_gate_file_knows_the_lines_of_its_budgets(tmp_path: Path) -> None:
    gate = load_gate(write(tmp_path))
    assert gate.lines == {"size": 4, "speed": 5}
    assert gate.sources == (tmp_path / "run",)
    assert gate.waivers[0].until == date(2026, 12, 31)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("max: 1MiB", "max: 1", ":4:36: budgets[0].max: '1' has no unit"),
        ("id: speed", "id: size", "'size' comes twice"),
        ("from: [run]", "from: []", "from: "),
        ("from: [run]\n", "", "from: is missing"),
        ("from", "form", "unknown key 'form'; did you mean 'from'?"),
        ("budget: size", "budget: siez", ":7:6: waivers[0].budget: no budget 'siez'; did you mean"),
        ("until: 2026-12-31, ", "", "waivers[0].until: is missing"),
        ("2026-12-31", "2026-31-12", "waivers[0].until"),
        ('"#123", max: 2MiB', "x, max_ratio: 2x", "the budget 'size' limits max; write `max`"),
        ("max: 2MiB", "max: 2pp", "waivers[0].max: the unit 'pp' does not fit"),
        ("schema: 1", "schema: 3", "newer than this program"),
    ],
)
def test_mistakes_have_places(tmp_path: Path, old: str, new: str, said: str) -> None:
    assert old in GATE
    with pytest.raises(InputError) as caught:
        load_gate(write(tmp_path, GATE.replace(old, new)))
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        "schema: 1\nfrom: [run]\n",
        "schema: 1\nfrom: [run]\nbudgets: []\n",
        "schema: 1\nfrom: [run]\nbudgets: [{id: a, metric: params, max: 1, level: off}]\n",
    ],
)
def test_a_gate_without_budgets_is_an_error(tmp_path: Path, text: str) -> None:
    with pytest.raises(InputError, match="nothing is gated") as caught:
        load_gate(write(tmp_path, text))
    assert caught.value.exit_code == 2


def test_a_stored_run_is_judged(tmp_path: Path) -> None:
    store(tmp_path / "run", report())
    result = run_gate(load_gate(write(tmp_path)), load_report=load, today=date(2026, 11, 24))
    assert [verdict.status for verdict in result.verdicts] == ["pass", "pass"]
    assert result.exit_code == 0
    assert result.digest == DIGEST


def test_absolute_latency_reads_the_raw_samples(tmp_path: Path) -> None:
    store(tmp_path / "run", report())
    text = GATE.replace("vs: teacher, min_speedup: 2x", "max: 1ms")
    result = run_gate(load_gate(write(tmp_path, text)), load_report=load, today=date(2026, 11, 24))
    assert result.verdicts[1].status == "pass"


def test_missing_evidence_names_the_command(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"run: there is no such evidence; run `distil run") as e:
        read_evidence(load_gate(write(tmp_path)), load_report=load)
    assert e.value.exit_code == 2


@pytest.mark.parametrize("text", ["", "{", "[]", '{"version": 99}', '{"version": 1}', "\x00"])
def test_malformed_and_newer_evidence_is_an_error(tmp_path: Path, text: str) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "report.json").write_text(text)
    with pytest.raises(InputError) as caught:
        read_evidence(load_gate(write(tmp_path)), load_report=load)
    assert caught.value.exit_code == 2
    assert "report.json" in str(caught.value)


def test_a_student_that_was_replaced_has_no_evidence(tmp_path: Path) -> None:
    store(tmp_path / "run", report())
    (tmp_path / "run" / "student.onnx").write_bytes(b"another model")
    with pytest.raises(InputError, match="is not the file that was measured"):
        read_evidence(load_gate(write(tmp_path)), load_report=load)


def test_the_measured_student_is_recognised(tmp_path: Path) -> None:
    found = report()
    assert found.measured is not None
    data = b"the model"
    digest = hashlib.sha256(data).hexdigest()
    measurements = tuple(
        dataclasses.replace(m, digest=digest) if m.subject == "student" else m
        for m in found.measured.measurements
    )
    measured = dataclasses.replace(found.measured, measurements=measurements)
    store(tmp_path / "run", dataclasses.replace(found, measured=measured))
    (tmp_path / "run" / "student.onnx").write_bytes(data)
    assert read_evidence(load_gate(write(tmp_path)), load_report=load).evidence[0].digest == digest
    store(tmp_path / "other", report())
    gate = load_gate(write(tmp_path, GATE.replace("[run]", "[run, other/report.json]")))
    with pytest.raises(InputError, match=r"is about another student.onnx than"):
        read_evidence(gate, load_report=load)


NAMED = """\
schema: 1
candidate: student.onnx
budgets:
  - {id: size, metric: file_bytes, max: 1MiB}
  - {id: speed, metric: latency.p50, vs: teacher, min_speedup: 12.2x}
  - {id: quick, metric: latency.p50, max: 200us}
"""


def test_the_cure_of_two_named_files_is_to_measure_them(tmp_path: Path) -> None:
    """No run of ours is behind them: there is no recipe to run again."""
    (tmp_path / "student.onnx").write_bytes(b"a model")
    gate = load_gate(write(tmp_path, NAMED))
    command = f"run `distil gate {gate.path} --measure`"
    absent = run_gate(gate, load_report=load, today=date(2026, 11, 24)).verdicts
    assert [v.reason.endswith(command) for v in absent] == [True, True, True]
    assert absent[0].reason.startswith("the student's file was not measured; ")
    found = report(log_ratios=(-2.4, -2.6) * 48)
    digest = hashlib.sha256(b"a model").hexdigest()
    assert found.measured is not None
    ours = [dataclasses.replace(m, digest=digest) for m in found.measured.measurements]
    measured = dataclasses.replace(found.measured, measurements=tuple(ours))
    store(gate.measured, dataclasses.replace(found, measured=measured))
    noisy = run_gate(gate, load_report=load, today=date(2026, 11, 24)).verdicts
    assert [v.status for v in noisy] == ["pass", "inconclusive", "inconclusive"]
    for verdict in noisy[1:]:
        assert f"run `distil gate {gate.path} --measure --fresh` when less else runs" in (
            verdict.reason
        )
        assert "recipe" not in verdict.reason
