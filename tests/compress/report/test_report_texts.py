"""Numbers, sentences, Markdown, JUnit: the right words, unbroken by names from data."""

from __future__ import annotations

import dataclasses
from xml.etree import ElementTree

import pytest

from compress.report import quantities as q
from compress.report import render_junit, render_markdown
from compress.report.evidence import evidence_words
from compress.report.outcome import outcome
from compress.report.plain_text import one_line, typeset, visible
from compress.report.subject_table import subject_table
from compress.values import Verdict
from tests.compress.report.sample import plain_report, sample_report
from tests.compress.report.sample_hostile import hostile_report


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (q.milliseconds(0.1886), "0.189 ms"),
        (q.milliseconds(2.5), "2.50 ms"),
        (q.milliseconds(0.0052), "5.20 us"),
        (q.milliseconds(1320), "1.32 s"),
        (q.size(512), "512 B"),
        (q.size(119_872), "117 KiB"),
        (q.size(2_842_112), "2.71 MiB"),
        (q.size(1024 * 1023.9), "1.00 MiB"),
        (q.percent(0.9260), "92.60 %"),
        (q.points(-0.025), "-2.50 pp"),
        (q.points(0.003, 1), "+0.3 pp"),
        (q.per_second(5263.2), "5,260 /s"),
        (q.seconds(0.04), "0.0 s"),
        (q.seconds(118.4), "1 min 58 s"),
        (q.seconds(3900), "1 h 5 min"),
        (q.times(148.4), "148x"),
        (q.times_less(2_842_112, 119_872, "smaller", "larger"), "23.7x smaller"),
        (q.times_less(1.0, 1.4, "faster", "slower"), "1.40x slower"),
        (q.times_less(1.0, 1.0001, "faster", "slower"), "the same"),
        (q.significant(9.996), "10.0"),
        (q.significant(0), "0"),
    ],
)
def test_quantities_carry_their_units(text: str, expected: str) -> None:
    assert text == expected


def _verdict(status: str, level: str = "error") -> Verdict:
    return dataclasses.replace(sample_report().verdicts[0], status=status, level=level)


@pytest.mark.parametrize(
    ("verdicts", "status", "sentence"),
    [
        ((), None, "No budgets: nothing was judged"),
        ((_verdict("pass"),), "pass", "The budget passes"),
        ((_verdict("pass"),) * 3, "pass", "All budgets pass"),
        ((_verdict("pass"), _verdict("waived")), "waived", "All budgets pass, 1 by waiver"),
        ((_verdict("pass"), _verdict("violated")), "violated", "1 of 2 budgets violated"),
        (
            (_verdict("violated"), _verdict("unmeasured")),
            "unmeasured",
            "1 of 2 budgets not measured, 1 violated",
        ),
        (
            (_verdict("pass"), _verdict("violated", "warn")),
            "pass",
            "The budget passes, 1 warning",
        ),
        (
            (_verdict("pass"), _verdict("unmeasured", "warn")),
            "unmeasured",
            "1 of 2 budgets not measured",
        ),
        ((_verdict("violated", "off"),), None, "No budgets: nothing was judged"),
        ((_verdict("inconclusive"),), "inconclusive", "1 of 1 budget inconclusive"),
        (
            (
                _verdict("pass"),
                dataclasses.replace(_verdict("inconclusive"), on_inconclusive="warn"),
            ),
            "pass",
            "The budget passes, 1 warning",
        ),
    ],
)
def test_the_worst_budget_of_level_error_gives_the_outcome(
    verdicts: tuple[Verdict, ...], status: str | None, sentence: str
) -> None:
    found = outcome(verdicts)
    assert (found.status, found.sentence) == (status, sentence)


def test_controls_come_after_teacher_and_student() -> None:
    table = subject_table(sample_report())
    assert table.subjects == ("teacher", "student", "teacher int8", "student on labels")
    rows = {(row.label, row.detail): row.entries for row in table.rows}
    size = rows["File size", "ONNX file"]
    assert size[1] is not None
    assert (size[1].text, size[1].change, size[1].direction) == (
        "117 KiB",
        "23.7x smaller",
        "better",
    )
    accuracy = rows["Test accuracy", "10,000 samples, 95 % interval"]
    assert accuracy[1] is not None
    assert (accuracy[1].change, accuracy[1].direction) == ("-2.50 pp", "worse")
    assert accuracy[1].interval == "92.07 to 93.10 %"
    assert rows["Agreement with teacher", "same answer on the same sample"][0] is None


def test_what_was_not_measured_has_no_row() -> None:
    table = subject_table(plain_report())
    assert table.subjects == ("student",)
    assert [row.label for row in table.rows] == ["Test accuracy"]


def test_evidence_gets_units_from_its_keys() -> None:
    words = dict(
        evidence_words(
            {
                "int8_accuracy": 0.9277,
                "student_ms": 0.19,
                "speedup_interval": [1.59, 1.68],
                "inner": {"size_bytes": 2048},
                "kept": True,
                "unknown": None,
                "raw": list(range(40)),
            }
        )
    )
    assert words["int8 accuracy"] == "92.77 %"
    assert words["student"] == "0.190 ms"
    assert words["speedup interval"] == "1.59x to 1.68x"
    assert words["inner, size"] == "2.00 KiB"
    assert words["kept"] == "yes"
    assert words["unknown"] == "unknown"
    assert words["raw"].endswith("11 and 28 more")


def test_control_characters_become_visible() -> None:
    assert visible("a\x1b[31m\u202eb\ud800\nc") == "a\\x1b[31m\\u202eb\\ud800\nc"
    assert one_line("a\n\n b\tc") == "a b c"
    assert (
        typeset("-2 pp [-3, 1] a-1 x -> y >= 2")
        == "\u22122 pp [\u22123, 1] a-1 x \u2192 y \u2265 2"
    )


def test_markdown_has_verdict_budgets_and_classes() -> None:
    text = render_markdown(sample_report())
    assert "**1 of 6 budgets not measured, 1 violated, 1 warning**" in text
    assert "| size | 117 KiB | &lt;= 300 KiB | 183 KiB | pass |" in text
    assert "| Shirt | 84.9 % | 75.7 % | -9.2 pp | 98 | 6 |" in text
    assert text.index("| Shirt |") < text.index("| Trouser |")
    assert "- quantize: **int8**." in text


def test_markdown_says_what_could_be_seen_what_a_call_costs_and_what_flipped() -> None:
    text = render_markdown(sample_report())
    rows = {line.split(" | ")[0].strip("| "): line for line in text.splitlines()}
    short = rows["Latency p50, batch 1, 1 thread, cpu"]
    assert "a change of 1.3 % could be seen, empty model: 5.20 us) |" in short
    assert "empty model: 5.20 us" in rows["Latency p95, batch 1, 1 thread, cpu"]
    long = rows["Latency p50, batch 32, 1 thread, cpu"]
    assert "a change of 1.3 % could be seen) |" in long
    assert "empty model" not in long
    assert (
        "negative flips (teacher right, student wrong): 305 of 10,000, 3.05 %, at most 3.35 %"
    ) in text
    assert "McNemar: 305 lost, 55 gained, mid-p 1.4e-43" in text


def test_markdown_tables_keep_their_columns_under_hostile_names() -> None:
    text = render_markdown(hostile_report())
    assert "\x1b" not in text
    assert "<b>" not in text
    for block in text.split("\n\n"):
        rows = [line for line in block.splitlines() if line.startswith("|")]
        widths = {line.replace("\\|", "").count("|") for line in rows}
        assert len(widths) <= 1
    assert not any(line.startswith("::") for line in text.splitlines())


def test_junit_is_the_gates_own() -> None:
    suite = ElementTree.fromstring(render_junit(sample_report())).find("testsuite")
    assert suite is not None
    assert {k: suite.get(k) for k in ("tests", "failures", "errors", "skipped")} == {
        "tests": "7",
        "failures": "1",
        "errors": "1",
        "skipped": "2",
    }
    assert suite.find("testcase[@name='tiny']/failure[@type='budget']") is not None
    assert suite.find("testcase[@name='gpu-speed']/error") is not None
    assert ElementTree.fromstring(render_junit(hostile_report())) is not None
