"""pytest-benchmark's files are evidence, and its own program reads what we write in its schema."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from gate_sample import report

from compress.errors import InputError
from compress.gate.benchmark_schema import as_benchmarks
from compress.gate.gate_file import load_gate
from compress.gate.result import run_gate
from compress.report.serialise import load_report
from compress.values import Report

GATE = """\
schema: 1
from:
  - pytest-benchmark: [%s]
    student: test_infer[student]
    teacher: test_infer[teacher]
budgets:
  - {id: speed, metric: latency.p50, vs: teacher, min_speedup: 2x}
  - {id: fast, metric: latency.p50, max: 1ms}
  - {id: size, metric: file_bytes, max: 1MiB}
  - {id: mem, metric: memory.peak_rss, max: 1MiB}
  - {id: cold, metric: cold_start.session, max: 1ms}
"""


def load(path: Path, samples: bool) -> Report:
    return load_report(path, samples=samples)


def write(folder: Path, files: int, *, data: bool = True) -> Path:
    """One file per process: the student takes 0.2 ms, the teacher 1 ms, each a bit more or less."""
    names = []
    for number in range(files):
        rows: list[dict[str, Any]] = []
        for name, middle in (("student", 2e-4), ("teacher", 1e-3)):
            times = [middle * (1 + 0.01 * (number % 3) + 0.001 * i) for i in range(5)]
            stats: dict[str, Any] = {"median": times[2]}
            stats |= {"data": times} if data else {}
            rows.append({"name": f"test_infer[{name}]", "stats": stats})
        document = {
            "benchmarks": rows,
            "datetime": f"2026-11-24T10:00:{number:02}",
            "machine_info": {"cpu": {"brand_raw": "toy", "count": 2}},
        }
        names.append(f"bench{number}.json")
        (folder / names[-1]).write_text(json.dumps(document))
    path = folder / "distil.gate.yaml"
    path.write_text(GATE % ", ".join(names))
    return path


def judged(path: Path) -> dict[str, str]:
    result = run_gate(load_gate(path), load_report=load, today=date(2026, 11, 24))
    return {verdict.budget: verdict.status for verdict in result.verdicts}


@pytest.mark.parametrize("data", [True, False])
def test_each_file_is_one_epoch(tmp_path: Path, data: bool) -> None:
    found = judged(write(tmp_path, 12, data=data))
    assert found["speed"] == "pass"
    assert found["fast"] == "pass"


def test_one_file_proves_nothing(tmp_path: Path) -> None:
    found = judged(write(tmp_path, 1))
    assert (found["speed"], found["fast"]) == ("inconclusive", "inconclusive")


def test_what_such_a_file_does_not_hold_is_unmeasured(tmp_path: Path) -> None:
    found = judged(write(tmp_path, 12))
    assert [found[name] for name in ("size", "mem", "cold")] == ["unmeasured"] * 3


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "is not JSON"),
        ("[]", "is no file of pytest-benchmark"),
        ('{"benchmarks": []}', r"has no benchmark 'test_infer\[student\]'"),
        ('{"benchmarks": [{"name": "test_infer[student]"}]}', "has no times"),
        (
            '{"benchmarks": [{"name": "test_infer[student]", "stats": {"median": 0}}]}',
            "has no times",
        ),
    ],
)
def test_a_broken_file_is_named(tmp_path: Path, text: str, said: str) -> None:
    path = write(tmp_path, 2)
    (tmp_path / "bench1.json").write_text(text)
    with pytest.raises(InputError, match=said) as caught:
        judged(path)
    assert "bench1.json" in str(caught.value)


def test_a_file_that_is_given_twice_is_no_second_epoch(tmp_path: Path) -> None:
    """By its name, and as a copy of another name: twelve epochs would pass, of one process."""
    path = write(tmp_path, 1)
    for number in range(1, 12):
        (tmp_path / f"bench{number}.json").write_text((tmp_path / "bench0.json").read_text())
    copies = ", ".join(f"bench{number}.json" for number in range(12))
    for names in (copies, ", ".join(["bench0.json"] * 12)):
        path.write_text(GATE % names)
        with pytest.raises(InputError, match=r"holds what .*bench0\.json holds: one process"):
            judged(path)


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ({0: "2026-11-04T10:00:00"}, "it is 20 days old"),
        ({5: "2026-11-04T10:00:00", 11: "2026-11-23T23:00:00+00:00"}, "it is 20 days old"),
        ({5: "long ago", 11: "2026-11-04T10:00:00"}, "it does not say when it was measured"),
        ({11: None}, "it does not say when it was measured"),
        ({number: f"2026-11-17T10:00:{number:02}" for number in range(6)}, ""),
    ],
)
def test_several_files_are_as_old_as_the_oldest(
    tmp_path: Path, written: dict[int, str | None], said: str
) -> None:
    path = write(tmp_path, 12)
    path.write_text(f"max_age: 7d\n{path.read_text()}")
    for number, when in written.items():
        file = tmp_path / f"bench{number}.json"
        document = json.loads(file.read_text())
        file.write_text(
            json.dumps(
                {**document, "datetime": when}
                if when
                else {key: value for key, value in document.items() if key != "datetime"}
            )
        )
    result = run_gate(load_gate(path), load_report=load, today=date(2026, 11, 24))
    assert result.notes == ((f"bench0.json is set aside: {said}",) if said else ())


def test_its_own_compare_reads_our_file(tmp_path: Path) -> None:
    measured = report().measured
    assert measured is not None
    document = as_benchmarks(measured, created_at="2026-11-24T13:12:05+00:00")
    assert document["benchmarks"][1]["stats"]["median"] == pytest.approx(2e-4)
    (tmp_path / "0001_distil.json").write_text(json.dumps(document))
    done = subprocess.run(
        [
            *(sys.executable, "-P", "-m", "pytest_benchmark", "--storage", f"file://{tmp_path}"),
            *("compare", str(tmp_path / "0001_distil.json"), "--csv", str(tmp_path / "out")),
        ],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "latency[student-cpu-batch1-threads1]" in done.stdout
    (table,) = tmp_path.glob("out*")
    assert len(table.read_text().splitlines()) == 3
