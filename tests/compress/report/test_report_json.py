"""report.json holds a report exactly, and refuses what it can't read."""

from __future__ import annotations

import dataclasses
import json
import math
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.values import Measured
from compress.report import NewerSchema, load_report, write_report
from compress.report.codec import from_json, map_strings, to_json
from compress.report.serialise import encode_report
from compress.values import Decision, Epoch, Quality, Report, Verdict
from exporters.errors import DistilError, InputError
from tests.compress.report.sample import plain_report, sample_report

ROOT = Path(__file__).parents[3]
PLAIN = plain_report()


@pytest.mark.parametrize("report", [sample_report(), plain_report()], ids=["rich", "plain"])
def test_a_written_report_is_read_back_equal(report: Report, tmp_path: Path) -> None:
    paths = write_report(report, tmp_path)
    assert load_report(tmp_path) == report
    assert load_report(tmp_path / "report.json") == report
    names = {path.name for path in paths}
    assert names >= {"report.json", "report.md", "report.html", "junit.xml"}
    assert {p.name for p in tmp_path.iterdir()} == names


def test_types_survive_and_not_only_equality(tmp_path: Path) -> None:
    write_report(sample_report(), tmp_path)
    report = load_report(tmp_path)
    assert isinstance(report.measured, Measured)
    assert type(report.measured.measurements[0].cells[0].latency.samples_ns[0]) is tuple
    assert type(report.class_counts["test"]) is tuple
    assert report.export is not None
    assert report.export.parity.batches == (1, 2, 33)


texts = st.text(max_size=20)
numbers = st.floats(allow_nan=False, allow_infinity=False)
fractions = st.floats(0, 1)
qualities = st.builds(
    Quality,
    subject=texts,
    samples=st.integers(0, 10**9),
    accuracy=fractions,
    accuracy_low=fractions,
    accuracy_high=fractions,
)
plain_json = st.recursive(
    st.none() | st.booleans() | st.integers() | numbers | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)
decisions = st.builds(
    Decision,
    question=texts,
    chosen=texts,
    reason=texts,
    evidence=st.dictionaries(texts, plain_json, max_size=4),
    pinned=st.booleans(),
)
verdicts = st.builds(
    Verdict,
    budget=texts,
    metric=texts,
    status=st.sampled_from(["pass", "violated", "inconclusive", "waived", "unmeasured"]),
    observed=texts,
    limit=texts,
    margin=texts,
    level=st.sampled_from(["error", "warn", "off"]),
    reason=texts,
    waiver=st.none() | texts,
)


@settings(deadline=None, max_examples=40)
@given(st.tuples(qualities, qualities), st.lists(decisions, max_size=3), verdicts)
def test_any_value_survives_json_text(
    found: tuple[Quality, Quality], choices: list[Decision], verdict: Verdict
) -> None:
    report = dataclasses.replace(
        PLAIN, qualities=found, decisions=tuple(choices), verdicts=(verdict,)
    )
    data = json.loads(json.dumps(to_json(report), allow_nan=False))
    assert from_json(Report, data) == report


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_number_that_is_none_is_refused_with_its_place(value: float, tmp_path: Path) -> None:
    report = sample_report()
    assert report.history is not None
    epoch = dataclasses.replace(report.history.epochs[3], validation_loss=value)
    epochs = (*report.history.epochs[:3], epoch, *report.history.epochs[4:])
    broken = dataclasses.replace(report, history=dataclasses.replace(report.history, epochs=epochs))
    with pytest.raises(DistilError, match=r"report\.history\.epochs\[3\]\.validation_loss"):
        write_report(broken, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_evidence_that_json_cant_hold_is_refused() -> None:
    with pytest.raises(DistilError, match=r"value\.evidence\.x: a .*complex"):
        to_json(Decision(question="q", chosen="c", reason="r", evidence={"x": 1j}))


def test_raw_samples_lie_beside_and_report_json_stays_small(tmp_path: Path) -> None:
    write_report(sample_report(), tmp_path)
    assert (tmp_path / "report.json").stat().st_size < 60_000
    (samples,) = tmp_path.glob("samples-*.json")
    data = json.loads(samples.read_text())
    assert len(data["samples_ns"]) == 8  # four subjects at two settings
    assert len(data["samples_ns"][0]["epochs"]) == 12
    assert samples.name in (tmp_path / "report.json").read_text()


def test_a_second_report_leaves_no_samples_of_the_first(tmp_path: Path) -> None:
    write_report(sample_report(seed=1), tmp_path)
    write_report(sample_report(seed=2), tmp_path)
    assert len(list(tmp_path.glob("samples-*.json"))) == 1
    assert load_report(tmp_path) == sample_report(seed=2)


def test_samples_can_be_left_unread(tmp_path: Path) -> None:
    write_report(sample_report(), tmp_path)
    for path in tmp_path.glob("samples-*.json"):
        path.unlink()
    report = load_report(tmp_path, samples=False)
    assert report.measured is not None
    assert report.measured.measurements[0].cells[0].latency.samples_ns == ()
    assert report.measured.comparisons == sample_report().measured.comparisons  # type: ignore[union-attr]
    with pytest.raises(InputError, match=r"samples.*is missing"):
        load_report(tmp_path)


def test_changed_samples_are_noticed(tmp_path: Path) -> None:
    write_report(sample_report(), tmp_path)
    (path,) = tmp_path.glob("samples-*.json")
    path.write_text(path.read_text().replace("1", "2", 1))
    with pytest.raises(InputError, match=r"not the ones that report\.json names"):
        load_report(tmp_path)


def _written(tmp_path: Path, change: Any) -> Path:
    data = json.loads(encode_report(plain_report()).report)
    change(data)
    path = tmp_path / "report.json"
    path.write_text(json.dumps(data))
    return path


def test_a_newer_schema_is_named_as_such(tmp_path: Path) -> None:
    path = _written(tmp_path, lambda data: data.update(version=99, surprise=1))
    with pytest.raises(NewerSchema, match="newer schema: version 99"):
        load_report(path)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda d: d.update(surprise=1), "unknown key 'surprise'"),
        (lambda d: d.pop("seed"), "key 'seed' is missing"),
        (lambda d: d.update(seed="0"), r"\.seed: expected an integer, found '0'"),
        (lambda d: d.update(seed=True), r"\.seed: expected an integer"),
        (lambda d: d["qualities"][0].update(accuracy=None), r"\.qualities\[0\]\.accuracy"),
        (lambda d: d.pop("version"), "no version"),
        (lambda d: d.update(version=0), "no version"),
        (lambda d: d.update(classes="abc"), r"\.classes: expected a list"),
    ],
)
def test_a_malformed_report_names_the_key(tmp_path: Path, change: Any, words: str) -> None:
    path = _written(tmp_path, change)
    with pytest.raises(InputError, match=words) as caught:
        load_report(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", "<!doctype html>", '{"version": NaN}', '{"a": 1, "a": 2}', "[" * 100_000],
)
def test_what_is_no_report_is_refused_in_one_line(tmp_path: Path, text: str) -> None:
    path = tmp_path / "report.json"
    path.write_text(text)
    with pytest.raises(InputError) as caught:
        load_report(path)
    assert str(path) in str(caught.value)


def test_a_missing_report_says_what_to_name(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="a report is missing; name the run folder"):
        load_report(tmp_path)


@pytest.mark.parametrize("name", ["../samples-1.json", "/etc/passwd", "other.json"])
def test_a_samples_file_elsewhere_is_never_opened(tmp_path: Path, name: str) -> None:
    write_report(sample_report(), tmp_path)
    path = tmp_path / "report.json"
    data = json.loads(path.read_text())
    data["samples"]["file"] = name
    path.write_text(json.dumps(data))
    with pytest.raises(InputError, match="refused samples file"):
        load_report(path)


def test_strings_are_changed_wherever_they_are() -> None:
    changed = map_strings(sample_report(), str.upper)
    assert changed.name == "FASHION"
    assert "TORCH" in changed.versions
    assert changed.decisions[0].evidence["FLOAT32_STEP_S"] == 0.0618
    assert isinstance(changed.history.epochs[0], Epoch)  # type: ignore[union-attr]


def test_reading_imports_neither_torch_nor_onnx_nor_pydantic_nor_jinja(tmp_path: Path) -> None:
    write_report(sample_report(), tmp_path)
    code = (
        "import sys; from pathlib import Path; from compress.report import load_report;"
        f"load_report(Path({str(tmp_path)!r}));"
        "heavy = {'torch', 'onnx', 'onnxruntime', 'numpy', 'pydantic', 'jinja2', 'rich'};"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"
