"""Every output format holds whatever a name holds, and stays what it is."""

from __future__ import annotations

import dataclasses
import json
import xml.etree.ElementTree as ElementTree

import pytest

from compress.errors import InputError
from compress.gate.explain import explain
from compress.gate.failed import FAILED
from compress.gate.formats import FORMATS, MARKDOWN_BYTES, render
from compress.gate.result import GateResult
from compress.values import Status, Verdict

HOSTILE = "a|b\n::error::x\r\x1b[31mred</script><img src=x>`#1 @me %0A \u202e\ud800 ![x](http://e)"


def verdict(budget: str = "size", status: Status = "violated", **fields: object) -> Verdict:
    made: dict[str, object] = {
        "budget": budget,
        "metric": "file_bytes",
        "status": status,
        "observed": "0.361x",
        "limit": "<= 0.35x",
        "margin": "-0.011x",
        "level": "error",
        "reason": "bytes",
        **fields,
    }
    return Verdict(**made)  # type: ignore[arg-type]


def result(*verdicts: Verdict, name: str = "toy") -> GateResult:
    return GateResult(
        path="distil.gate.yaml", name=name, digest="ab" * 32, verdicts=verdicts, lines={"size": 7}
    )


def test_the_command_can_be_pasted_though_a_folder_has_a_space() -> None:
    placed = dataclasses.replace(result(verdict()), path="my models/distil.gate.yaml")
    assert (
        json.loads(render(placed, "json"))["command"] == "distil gate 'my models/distil.gate.yaml'"
    )
    failed = json.loads(FAILED["json"]("my models/distil.gate.yaml", "no such file", 2))
    assert failed["command"] == "distil gate 'my models/distil.gate.yaml'"


def test_the_table_is_plain_and_aligned() -> None:
    text = render(result(verdict(), verdict("p", "pass", margin="")), "text")
    lines = text.splitlines()
    assert lines[0] == "distil gate - toy: student.onnx (sha256 abababab..), by distil.gate.yaml"
    assert lines[1] == "  BUDGET  VALUE   LIMIT     MARGIN   VERDICT"
    assert lines[2] == "  size    0.361x  <= 0.35x  -0.011x  violated"
    assert lines[3] == "  p       0.361x  <= 0.35x  -        pass"
    assert lines[-1].startswith("1 violated, 1 pass, 0 inconclusive, 0 waived, 0 unmeasured.")
    assert lines[-1].endswith("  Explain: distil gate --explain size")


def test_json_has_what_a_script_needs() -> None:
    data = json.loads(render(result(verdict()), "json"))
    assert data["exit_code"] == 1
    assert data["command"] == "distil gate distil.gate.yaml"
    assert data["verdicts"][0]["line"] == 7
    assert data["verdicts"][0]["status"] == "violated"
    assert data["student_sha256"] == "ab" * 32


def test_junit_says_failure_error_and_skipped() -> None:
    found = result(
        verdict("a", "violated"),
        verdict("b", "violated", level="warn"),
        verdict("c", "unmeasured", missing="measurement"),
        verdict("d", "inconclusive"),
        verdict("e", "waived", waiver="until 2026-12-31: x"),
        verdict("f", "pass"),
    )
    root = ElementTree.fromstring(render(found, "junit"))
    assert {key: root.get(key) for key in ("tests", "failures", "errors", "skipped")} == {
        "tests": "6",
        "failures": "1",
        "errors": "1",
        "skipped": "3",
    }
    outcomes = [[c.tag for c in case if c.tag != "properties"] for case in root.iter("testcase")]
    assert outcomes == [["failure"], ["skipped"], ["error"], ["skipped"], ["skipped"], []]


def test_github_points_at_the_budget() -> None:
    lines = render(
        result(
            verdict(),
            verdict("w", level="warn"),
            verdict("i", "inconclusive", on_inconclusive="warn"),
            verdict("p", "pass"),
        ),
        "github",
    ).splitlines()
    assert lines[0].startswith("::error file=distil.gate.yaml,line=7,title=size::violated: 0.361x")
    assert [line.split(" ")[0] for line in lines] == ["::error", "::warning", "::warning"]


@pytest.mark.parametrize("name", FORMATS)
def test_a_hostile_name_acts_in_no_format(name: str) -> None:
    hostile = verdict(HOSTILE, reason=HOSTILE, observed=HOSTILE, waiver=HOSTILE)
    text = render(result(hostile, name=HOSTILE), name)
    text.encode("utf-8")
    assert "\x1b" not in text
    assert "\r" not in text
    assert "\u202e" not in text
    assert not [line for line in text.splitlines()[1:] if line.startswith("::error::")]
    if name == "markdown":
        table = [line for line in text.splitlines() if line.startswith("|")]
        assert len(table) == 3
        assert table[2].replace("\\|", "").count("|") == 7
        assert "<img" not in text
        assert "</script>" not in text
        assert "@me" not in text
        assert "](" not in text.replace("\\](", "")
    if name == "junit":
        root = ElementTree.fromstring(text)
        assert len(list(root.iter("testcase"))) == 1
    if name == "json":
        assert json.loads(text)["verdicts"][0]["budget"] == HOSTILE
    if name == "github":
        assert len(text.splitlines()) == 1
        assert text.count("::") >= 2
        assert text.startswith("::error file=distil.gate.yaml,line=1,title=a|b\\n%3A%3Aerror")


def test_a_comment_has_a_marker_and_fits() -> None:
    many = [verdict(f"b{n}", reason="x" * 400) for n in range(1000)]
    text = render(result(*many), "markdown")
    assert text.startswith("<!-- distil-gate:distil.gate.yaml -->\n")
    assert len(text.encode()) < MARKDOWN_BYTES
    assert "more are left out here" in text
    assert "1000 violated" in text


def test_explain_says_where_the_limit_stands() -> None:
    text = explain(result(verdict()), "size")
    assert "limit   <= 0.35x  (distil.gate.yaml:7)" in text
    with pytest.raises(InputError, match="did you mean 'size'"):
        explain(result(verdict()), "siez")


@pytest.mark.parametrize("name", sorted(FAILED))
def test_a_gate_that_could_not_be_judged_says_so_in_every_format(name: str) -> None:
    text = FAILED[name](HOSTILE, HOSTILE, 2)
    text.encode("utf-8", errors="strict" if name != "json" else "backslashreplace")
    assert "\x1b" not in text
    assert "\r" not in text
    assert not [line for line in text.splitlines()[1:] if line.startswith("::error::")]
    if name == "json":
        assert json.loads(text)["exit_code"] == 2
        assert json.loads(text)["verdicts"] == []
    if name == "junit":
        assert ElementTree.fromstring(text).get("errors") == "1"
    if name == "markdown":
        assert text.startswith("<!-- distil-gate:")
        assert "<img" not in text
        assert "@me" not in text
