"""Verbs on files of ours: init, gate, report, verify, cache."""

import dataclasses
import importlib.util
import json
import sys
from pathlib import Path
from types import ModuleType

import pytest
from distil_command import assert_one_line_error, kept
from test_cli_help import loaded_modules

from compress.gate.gate_file import load_gate
from compress.recipe.load import load_recipe
from compress.report.write import write_report


def _sample() -> ModuleType:
    """The rich report of the report room's tests."""
    path = Path(__file__).parents[1] / "report" / "sample.py"
    spec = importlib.util.spec_from_file_location("cli_sample_report", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["cli_sample_report"] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


SAMPLE = _sample()
GATE = """\
schema: 1
from: [runs/fashion]
budgets:
  - {id: accuracy, metric: accuracy, vs: teacher, max_drop: %s}
  - {id: size, metric: file_bytes, max: %s}
"""


@pytest.fixture
def run_folder(tmp_path: Path) -> Path:
    folder = tmp_path / "runs" / "fashion"
    folder.mkdir(parents=True)
    write_report(SAMPLE.sample_report(), folder)
    return folder


def write_gate(folder: Path, drop: str = "3.5pp", size: str = "300KiB") -> None:
    (folder / "distil.gate.yaml").write_text(GATE % (drop, size))


def test_init_writes_a_recipe_and_a_gate_that_load(call, tmp_path: Path) -> None:
    result = call("init", "new", "--json", "out.json")
    assert result.code == 0
    assert load_recipe(tmp_path / "new" / "recipe.yaml").recipe.name == "starter"
    assert len(load_gate(tmp_path / "new" / "distil.gate.yaml").budgets) == 3
    compile((tmp_path / "new" / "model.py").read_text(), "model.py", "exec")
    assert len(kept(tmp_path / "out.json")["result"]["files"]) == 3


def test_init_overwrites_nothing(call, tmp_path: Path) -> None:
    (tmp_path / "model.py").write_text("mine")
    result = call("init")
    assert result.code == 2
    assert_one_line_error(result, "model.py", "is there already")
    assert (tmp_path / "model.py").read_text() == "mine"
    assert not (tmp_path / "recipe.yaml").exists()


def test_init_overwrites_no_workflow_beside_the_schemas(call, tmp_path: Path) -> None:
    workflow = tmp_path / ".gitlab" / "distil-gate.yml"
    workflow.parent.mkdir()
    workflow.write_text("mine")
    assert_one_line_error(call("init", "--ci", "gitlab", "--schema"), "--ci and --schema")
    assert workflow.read_text() == "mine"


def test_cache_prune_takes_the_sizes_that_its_help_names(call, tmp_path: Path) -> None:
    (tmp_path / "c" / "index").mkdir(parents=True)
    assert call("cache", "prune", "--cache", "c", "--max-size", "2GiB").code == 0
    assert call("cache", "prune", "--cache", "c", "--older-than", "30d").code == 0


def test_init_writes_the_schemas(call, tmp_path: Path) -> None:
    assert call("init", "--schema").code == 0
    assert call("init", "--schema").code == 0  # again, over our own
    for name in ("recipe.schema.json", "distil.gate.schema.json"):
        schema = json.loads((tmp_path / name).read_text())
        assert "schema" in schema["properties"]
        assert schema["additionalProperties"] is False


@pytest.mark.parametrize(
    ("drop", "size", "code", "word"),
    [("3.5pp", "300KiB", 0, "pass"), ("3.5pp", "10KiB", 1, "violated")],
)
def test_gate_judges_a_stored_report(
    call, tmp_path: Path, run_folder: Path, drop: str, size: str, code: int, word: str
) -> None:
    write_gate(tmp_path, drop, size)
    result = call("gate", "--json", "out.json")
    assert result.code == code, result.err
    assert word in result.out
    found = kept(tmp_path / "out.json")
    assert found["exit_code"] == code
    verdicts = {v["budget"]: v["status"] for v in found["result"]["verdicts"]}
    assert verdicts == {"accuracy": "pass", "size": word}


def test_gate_exit_zero_reports_and_passes(call, tmp_path: Path, run_folder: Path) -> None:
    write_gate(tmp_path, size="10KiB")
    result = call("gate", "--exit-zero")
    assert result.code == 0
    assert "violated" in result.out


def test_gate_exit_zero_does_not_hide_what_was_not_measured(
    call, tmp_path: Path, run_folder: Path
) -> None:
    report = dataclasses.replace(SAMPLE.sample_report(), pairs=(), qualities=())
    write_report(report, run_folder)
    write_gate(tmp_path)
    result = call("gate", "--exit-zero")
    assert result.code == 2
    assert "unmeasured" in result.out


@pytest.mark.parametrize("form", ["text", "json", "junit", "markdown", "github"])
def test_gate_formats(call, tmp_path: Path, run_folder: Path, form: str) -> None:
    write_gate(tmp_path, size="10KiB")
    result = call("gate", "--format", form)
    assert result.code == 1
    assert "size" in result.out
    start = {"json": "{", "junit": "<?xml", "markdown": "<!--", "github": "::error", "text": "dis"}
    assert result.out.startswith(start[form])


def test_gate_writes_the_summary_of_a_github_job(
    call, tmp_path: Path, run_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    summary = tmp_path / "summary.md"
    summary.write_text("before\n")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(summary))
    write_gate(tmp_path)
    assert call("gate", "--format", "github").code == 0
    assert summary.read_text().startswith("before\n<!-- distil-gate:distil.gate.yaml -->")


def test_gate_explains_one_budget(call, tmp_path: Path, run_folder: Path) -> None:
    write_gate(tmp_path, size="10KiB")
    result = call("gate", "--explain", "size")
    assert result.code == 1
    assert "distil.gate.yaml:5" in result.out
    assert call("gate", "--explain", "sise").code == 2


def test_gate_without_its_file_names_the_cure(call) -> None:
    result = call("gate")
    assert result.code == 2
    assert_one_line_error(result, "distil.gate.yaml")


def test_gate_loads_no_torch_onnx_or_runtime(tmp_path: Path, run_folder: Path) -> None:
    write_gate(tmp_path)
    code, modules = loaded_modules("gate", cwd=tmp_path)
    assert code == 0
    assert modules & {"torch", "onnx", "onnxruntime", "scipy", "accelerate", "PIL"} == set()


def test_report_makes_one_page_of_several_runs(call, tmp_path: Path, run_folder: Path) -> None:
    result = call("report", "runs/fashion", "runs/fashion/report.json", "-o", "both.html")
    assert result.code == 0, result.err
    page = (tmp_path / "both.html").read_text()
    assert page.lower().startswith("<!doctype html>")
    assert result.out == "both.html\n"


def test_verify_of_what_is_no_finished_run(call, run_folder: Path) -> None:
    result = call("verify", "runs/fashion")
    assert result.code in (1, 2)
    assert "manifest" in result.out + result.err


def test_cache_of_nothing(call, tmp_path: Path) -> None:
    assert call("cache", "list").out == f"{tmp_path / 'cache'}: nothing is stored\n"
    assert call("cache", "verify").code == 2
    assert not (tmp_path / "cache").exists()
