"""A whole run by its command line, from stages that are stored."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from compress.cli.main import run_command

ROOT = Path(__file__).parents[2]


class Shell:
    """Calls `python -P -m compress` in one folder, with one cache."""

    def __init__(self, folder: Path, cache: Path) -> None:
        self.folder, self.cache = folder, cache

    def __call__(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-P", "-m", "compress", *arguments],
            cwd=self.folder,
            env={**os.environ, "PYTHONPATH": str(ROOT), "DISTIL_CACHE": str(self.cache)},
            capture_output=True,
            text=True,
            timeout=200,
            check=False,
        )


@pytest.fixture(scope="module")
def shell(shapes: Path, store: Path, tmp_path_factory: pytest.TempPathFactory) -> Shell:
    """A folder elsewhere, in which the shapes project was run into `out`, from stored stages: the
    command that computes them all is run by tests/faults."""
    folder = tmp_path_factory.mktemp("shell")
    (folder / "project").symlink_to(shapes)
    shell = Shell(folder, store)
    done = shell("run", "project/recipe.yaml", "--out", "out", "--json", "run.json")
    assert done.returncode == 0, done.stderr
    (folder / "said.txt").write_text(done.stdout)
    return shell


@pytest.fixture
def here(
    shell: Shell, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Callable[..., tuple[int, str, str]]:
    """Exit code and output of a command in this process, where torch is loaded already."""
    monkeypatch.chdir(shell.folder)
    monkeypatch.setenv("DISTIL_CACHE", str(shell.cache))

    def call(*arguments: str) -> tuple[int, str, str]:
        capsys.readouterr()
        code = run_command(list(arguments))
        said = capsys.readouterr()
        return code, said.out, said.err

    return call


def test_a_run_ends_with_table_verdicts_and_the_page(shell: Shell) -> None:
    said = (shell.folder / "said.txt").read_text()
    for part in ("teacher", "student", "Test accuracy", "Latency p50", "All budgets pass"):
        assert part in said
    assert said.endswith("student: out/student.onnx\nreport: out/report.html\n")
    kept = json.loads((shell.folder / "run.json").read_text())
    assert kept["exit_code"] == 0
    assert {v["budget"]: v["status"] for v in kept["result"]["verdicts"]} == {
        "accuracy": "pass",
        "size": "pass",
    }


def test_plan_says_that_all_is_stored_and_what_a_change_would_run(
    shell: Shell, here: Callable[..., tuple[int, str, str]]
) -> None:
    code, _, err = here("run", "project/recipe.yaml", "--plan", "--json", "plan.json")
    assert code == 0, err
    stages = json.loads((shell.folder / "plan.json").read_text())["result"]["stages"]
    assert [stage["stage"] for stage in stages if not stage["hit"]] == []
    _, out, _ = here("run", "project/recipe.yaml", "--plan", "--set", "distill.epochs=3")
    assert "distill.epochs: 4 -> 3" in " ".join(out.split())


def test_a_second_run_is_all_hits_and_a_tighter_budget_exits_1(shell: Shell) -> None:
    arguments = ("--set", "budgets.size.max=1KiB", "--out", "tight", "-v")
    done = shell("run", "project/recipe.yaml", *arguments)
    assert done.returncode == 1, done.stderr
    assert "violated" in done.stdout
    assert "train: stored on" in done.stderr
    assert "starts (first run)" not in done.stderr


def test_verify_finds_a_changed_byte(shell: Shell) -> None:
    assert shell("verify", "out").returncode == 0
    page = shell.folder / "out" / "report.md"
    before = page.read_bytes()
    page.write_bytes(before.replace(b"s", b"z", 1))
    broken = shell("verify", "out")
    page.write_bytes(before)
    assert broken.returncode == 1
    assert broken.stdout.startswith("changed: report.md: ")


def test_gate_report_cache_and_inspect_take_what_the_run_left(shell: Shell) -> None:
    gate = "schema: 1\nfrom: [out]\nbudgets: [{id: size, metric: file_bytes, max: 60KiB}]\n"
    (shell.folder / "distil.gate.yaml").write_text(gate)
    assert shell("gate").returncode == 0
    assert shell("report", "out", "-o", "page.html").returncode == 0
    assert "<html" in (shell.folder / "page.html").read_text()
    assert "int8" in shell("inspect", "out/student.onnx").stdout
    assert "train" in shell("cache", "list").stdout
    assert shell("cache", "verify").returncode == 0


def test_a_file_where_the_run_folder_should_be_is_told_before_any_work(
    shell: Shell, here: Callable[..., tuple[int, str, str]]
) -> None:
    (shell.folder / "taken").write_text("mine")
    code, _, err = here("run", "project/recipe.yaml", "--out", "taken", "--fresh")
    assert code == 2
    assert err.startswith("error: ")
    assert err.count("\n") == 1
    assert (shell.folder / "taken").read_text() == "mine"
