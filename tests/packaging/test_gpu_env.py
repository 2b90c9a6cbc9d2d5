"""The environment for a GPU: its lock, and the check that runs there."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from types import ModuleType

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from benchmarks.devices import check_device
from exporters.errors import RuntimeMissing

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def tools() -> dict[str, ModuleType]:
    """The two scripts as modules; they import setup_env from their own folder."""
    found = {}
    sys.path.insert(0, str(ROOT / "tools"))
    try:
        for name in ("setup_gpu_env", "run_gpu_check"):
            spec = importlib.util.spec_from_file_location(name, ROOT / "tools" / f"{name}.py")
            assert spec is not None
            assert spec.loader is not None
            found[name] = importlib.util.module_from_spec(spec)
            sys.modules[name] = found[name]
            spec.loader.exec_module(found[name])
    finally:
        sys.path.remove(str(ROOT / "tools"))
    return found


def _pins(text: str) -> dict[str, str]:
    lines = [line.split("#")[0].strip() for line in text.splitlines()]
    found = [Requirement(line) for line in lines if line]
    names = [canonicalize_name(requirement.name) for requirement in found]
    assert len(names) == len(set(names)), "a package is pinned twice"
    return dict(zip(names, (str(each.specifier) for each in found), strict=True))


def test_the_gpu_environment_holds_one_build_of_each(tools: dict[str, ModuleType]) -> None:
    merged = _pins(tools["setup_gpu_env"].merged_lock())
    assert "onnxruntime" not in merged
    assert {"onnxruntime-gpu", "torch", "nvidia-ml-py", "pytest", "triton"} <= set(merged)
    for name, pin in merged.items():
        assert re.fullmatch(r"={2,3}[0-9][^*,]*", pin), name


def test_torch_is_the_same_version_in_both_environments(tools: dict[str, ModuleType]) -> None:
    cpu = _pins((ROOT / "requirements.lock").read_text())["torch"]
    # Three signs: two would accept 2.13.0+cpu, which some indexes hold too.
    assert _pins(tools["setup_gpu_env"].merged_lock())["torch"] == f"={cpu.removesuffix('+cpu')}"


def test_the_gpu_lock_repeats_nothing_of_the_common_one() -> None:
    common = _pins((ROOT / "requirements.lock").read_text())
    gpu = _pins((ROOT / "requirements-gpu.lock").read_text())
    assert set(gpu) & set(common) == {"torch"}


def test_the_check_runs_the_files_that_hold_the_marker(tools: dict[str, ModuleType]) -> None:
    names = {path.name for path in tools["run_gpu_check"].marked_files()}
    assert {"test_runners.py", "test_bench_on_gpu.py"} <= names
    assert {"test_training_on_gpu.py", "test_teacher_on_gpu.py"} <= names
    assert "test_bench_timing.py" not in names


JUNIT = """<testsuites><testsuite>
<testcase classname="tests.a" name="test_one" time="1.254"/>
<testcase classname="tests.a" name="test_two" time="0.1"><failure message="a | b&#10;c"/></testcase>
<testcase classname="tests.a" name="test_three" time="0">
<skipped message="device cuda: no"/></testcase>
</testsuite></testsuites>"""


def test_its_report_names_what_passed_failed_and_is_missing(tools: dict[str, ModuleType]) -> None:
    check = tools["run_gpu_check"]
    found = check.outcomes(JUNIT)
    assert [(o.test, o.word, o.seconds, o.why) for o in found] == [
        ("tests.a::test_one", "passed", 1.25, ""),
        ("tests.a::test_two", "failed", 0.1, "a | b c"),
        ("tests.a::test_three", "missing", 0.0, "device cuda: no"),
    ]
    text = check.page({"date": "2026-01-02", "gpu": "Some GPU"}, found, 61.2)
    assert "2026-01-02: 1 passed, 1 failed, 1 missing, in 61 s." in text
    assert "- gpu: Some GPU" in text
    assert r"| tests.a::test_two | failed | 0.1 | a \| b c |" in text


def test_where_nothing_can_run_nothing_is_kept(tmp_path: Path) -> None:
    with suppress(RuntimeMissing):
        check_device("cuda", {"torch"})
        return  # it would run here
    script = str(ROOT / "tools" / "run_gpu_check.py")
    run = subprocess.run(
        [sys.executable, script, "--out", str(tmp_path / "results")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 4
    assert "error: nothing ran, so nothing was kept: device cuda: " in run.stderr
    assert not (tmp_path / "results").exists()
    assert "failed" not in run.stdout
