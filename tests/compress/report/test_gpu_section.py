"""What a run on a GPU adds to its report, and when a GPU's numbers are to be doubted."""

from __future__ import annotations

import dataclasses
import io

from rich.console import Console

from benchmarks.values import GpuLog
from compress.report import render_html, render_markdown, summary_table
from compress.report.codec import from_json, to_json
from compress.report.gpu import gpu_section, gpu_warnings
from compress.values import Report
from tests.compress.report.sample import sample_report
from tests.compress.report.sample_gpu import NODES, cpu_alone, gpu_log, gpu_report
from tests.compress.report.test_report_page import Outline


def _with_log(log: GpuLog) -> Report:
    report = gpu_report()
    assert report.measured is not None
    return dataclasses.replace(report, measured=dataclasses.replace(report.measured, gpus=(log,)))


def _warnings(log: GpuLog) -> tuple[str, ...]:
    measured = _with_log(log).measured
    assert measured is not None
    return gpu_warnings(measured)


def test_the_section_holds_times_memory_nodes_and_clocks_of_the_device() -> None:
    report = gpu_report()
    assert from_json(Report, to_json(report)) == report
    found = gpu_section(report.measured)
    assert found is not None
    teacher, student = found.rows
    assert (teacher.whole, teacher.alone, teacher.memory) == ("0.420 ms", "0.310 ms", "412 MiB")
    assert (student.alone, student.floor) == ("60.0 us", "38.0 us")
    assert (teacher.nodes, student.nodes) == ((), NODES)
    (log,) = found.logs
    assert log.heading == "cuda: NVIDIA H200"
    assert log.detail == "139 GiB memory, CUDA 13.0, driver 580.65"
    assert log.facts == (
        ("SM clock", "1,755 MHz", "345 to 1,980 MHz"),
        ("Memory clock", "3,201 MHz", "throughout"),
        ("Power", "300 W", "77 to 311 W"),
        ("Slowed down", "power cap 25 %", "in 412 readings"),
        ("Processes", "3", "at most at once"),
    )


def test_html_and_markdown_have_the_section_where_a_gpu_was_used_and_only_there() -> None:
    page, text = render_html([gpu_report()]), render_markdown(gpu_report())
    words = " ".join(Outline(page).text.split())
    for expected in ("On the GPU", "cuda: NVIDIA H200", "power cap 25 %", "412 MiB", NODES[5]):
        assert expected in words, expected
    assert "| 60.0 us | 388 MiB | 6: /stages/0/Shape (Shape) on CPUExecutionProvider, " in text
    assert "and 2 more |" in text
    assert "SM clock 1,755 MHz (345 to 1,980 MHz)" in text
    for report in (sample_report(), dataclasses.replace(sample_report(), measured=None)):
        assert gpu_section(report.measured) is None
        assert "On the GPU" not in render_html([report])
        assert "On the GPU" not in render_markdown(report)
    measured = gpu_report().measured
    assert measured is not None
    assert gpu_section(cpu_alone(measured)) is None


def test_others_on_the_device_and_a_slowdown_are_warned_of_everywhere() -> None:
    report = gpu_report()
    assert report.measured is not None
    others, slower = gpu_warnings(report.measured)
    assert others.startswith("3 processes used cuda (NVIDIA H200) at once, and at most 2 are of")
    assert slower == "cuda (NVIDIA H200) slowed down: power cap 25 % of the readings"
    console = Console(width=400, file=io.StringIO())
    console.print(summary_table(report))
    assert isinstance(console.file, io.StringIO)
    assert f"warning: {others}" in console.file.getvalue()
    for said in (Outline(render_html([report])).text, render_markdown(report)):
        assert "3 processes used cuda (NVIDIA H200) at once" in said


def test_a_device_of_our_own_at_full_speed_is_no_warning() -> None:
    assert _warnings(gpu_log(most_processes=2, slowdowns={})) == ()
    assert len(_warnings(gpu_log(most_processes=2))) == 1
    assert len(_warnings(gpu_log(slowdowns={}))) == 1


def test_a_device_that_tells_nothing_says_why() -> None:
    mute = dataclasses.replace(
        gpu_log(most_processes=0, slowdowns={}),
        readings=0, sm_mhz=None, memory_mhz=None, power_w=None, note="NVML: not permitted",
    )  # fmt: skip
    found = gpu_section(_with_log(mute).measured)
    assert found is not None
    assert found.logs[0].facts == ()
    assert found.logs[0].note == "Clocks were not read: NVML: not permitted."
    assert "Clocks were not read" in render_markdown(_with_log(mute))
