"""CI templates: valid by the published schemas, and their steps work in a scratch repository."""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft7Validator

from compress.cli.main import run_command
from tests.matmul_models import save_matmuls

ROOT = Path(__file__).parents[2]
SCHEMAS = ROOT / "tests" / "vendored" / "ci-schemas"
WORKFLOW = ".github/workflows/distil-gate.yml"
COMMENT = ".github/workflows/distil-gate-comment.yml"
GITLAB = ".gitlab/distil-gate.yml"


class _Yaml12(yaml.SafeLoader):
    """`on` is text, as the services read it."""


_Yaml12.yaml_implicit_resolvers = {
    letter: [(tag, found) for tag, found in rows if tag != "tag:yaml.org,2002:bool"]
    for letter, rows in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Yaml12.add_implicit_resolver("tag:yaml.org,2002:bool", re.compile("^(true|false)$"), list("tf"))


def read(path: Path) -> Any:
    return yaml.load(path.read_text(), Loader=_Yaml12)


def problems(name: str, document: Any) -> list[str]:
    schema = json.loads((SCHEMAS / name).read_text())
    return [error.message[:200] for error in Draft7Validator(schema).iter_errors(document)]


def test_the_vendored_schemas_are_the_ones_that_are_listed() -> None:
    listed = dict(
        re.findall(r"\| (\S+\.json) \| ([0-9a-f]{64}) \|", (SCHEMAS / "README.md").read_text())
    )
    found = {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in SCHEMAS.glob("*.json")}
    assert found == listed
    assert len(found) == 3


@pytest.mark.parametrize(
    ("service", "file", "schema"),
    [
        ("github", WORKFLOW, "github-workflows.json"),
        ("github", COMMENT, "github-workflows.json"),
        ("gitlab", GITLAB, "gitlab-ci.json"),
    ],
)
def test_a_workflow_is_valid(tmp_path: Path, service: str, file: str, schema: str) -> None:
    assert run_command(["init", "--ci", service, str(tmp_path), "-q"]) == 0
    assert problems(schema, read(tmp_path / file)) == []
    # The check itself bites.
    assert problems(schema, {"jobs": {"a": {"steps": 3}}, "on": {"nonsense": {}}, "stages": 7})


def test_a_workflow_is_never_overwritten(tmp_path: Path) -> None:
    assert run_command(["init", "--ci", "github", str(tmp_path), "-q"]) == 0
    assert run_command(["init", "--ci", "github", str(tmp_path), "-q"]) == 2


def test_the_composite_action_is_valid_and_takes_no_input_into_its_script() -> None:
    action = read(ROOT / "action.yml")
    assert problems("github-actions.json", action) == []
    scripts = [step["run"] for step in action["runs"]["steps"]]
    assert not any("${{" in script for script in scripts)  # a branch name must not become code


def test_no_workflow_takes_an_expression_into_its_script(tmp_path: Path) -> None:
    assert run_command(["init", "--ci", "github", str(tmp_path), "-q"]) == 0
    for file in (WORKFLOW, COMMENT):
        (job,) = read(tmp_path / file)["jobs"].values()
        assert not any("${{" in step.get("run", "") for step in job["steps"])


def _git(folder: Path, *arguments: str) -> str:
    identity = ["-c", "user.name=t", "-c", "user.email=t@example.org"]
    done = subprocess.run(
        ["git", *identity, *arguments], cwd=folder, capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """Two commits: a model, then one with twice the layers. The gate is on size alone, exact."""
    folder = tmp_path / "repository"
    (folder / "compress").mkdir(parents=True)
    (folder / "compress" / "__init__.py").write_text("raise ImportError('the wrong package')\n")
    _git(folder, "init", "-q", "-b", "main")
    for service in ("github", "gitlab"):
        assert run_command(["init", "--ci", service, str(folder), "-q"]) == 0
    gate = folder / "distil.gate.yaml"
    lines = [line for line in gate.read_text().splitlines() if "id: latency" not in line]
    gate.write_text("\n".join(lines) + "\n")
    for layers in (4, 8):
        save_matmuls(folder / "student.onnx", layers=layers)
        _git(folder, "add", ".")
        _git(folder, "commit", "-q", "-m", f"{layers} layers")
    return folder


@pytest.fixture
def program(tmp_path: Path) -> Path:
    """A folder with the command `distil`, as an installation has it."""
    folder = tmp_path / "bin"
    folder.mkdir()
    start = f'#!/bin/sh\nPYTHONPATH="{ROOT}" exec "{sys.executable}" -P -m compress "$@"\n'
    (folder / "distil").write_text(start)
    (folder / "distil").chmod(0o755)
    return folder


def _shell(script: str, *, cwd: Path, program: Path, **variables: str) -> int:
    environment = {**os.environ, **variables, "PATH": f"{program}:{os.environ['PATH']}"}
    return subprocess.run(
        ["bash", "-eo", "pipefail", "-c", script],
        cwd=cwd,
        env=environment,
        capture_output=True,
        timeout=200,
        check=False,
    ).returncode


def _assert_kept(folder: Path, *, code: int) -> None:
    verdicts = json.loads((folder / "gate.json").read_text())
    assert verdicts["exit_code"] == code
    assert ElementTree.parse(folder / "gate.xml").getroot().get("failures") == str(int(code == 1))
    assert (folder / "gate.md").read_text().startswith("<!-- distil-gate:distil.gate.yaml -->\n")


def test_the_github_steps_block_a_model_that_grew(
    repository: Path, program: Path, tmp_path: Path
) -> None:
    steps = read(repository / WORKFLOW)["jobs"]["gate"]["steps"]
    (judge,) = (step for step in steps if step.get("name") == "Judge")
    assert judge["env"] == {"DISTIL_BASE": "${{ github.event.pull_request.base.sha }}"}
    summary = tmp_path / "summary.md"
    for base, code in (("HEAD~1", 1), ("HEAD", 0)):
        sha = _git(repository, "rev-parse", base)
        found = _shell(
            judge["run"],
            cwd=repository,
            program=program,
            DISTIL_BASE=sha,
            GITHUB_STEP_SUMMARY=str(summary),
        )
        assert found == code
        _assert_kept(repository / "distil-gate", code=code)
    assert summary.read_text().count("<!-- distil-gate:") == 2
    assert _git(repository, "status", "--porcelain") == "?? distil-gate/"


def test_the_gitlab_script_and_the_action_block_it_too(repository: Path, program: Path) -> None:
    base = _git(repository, "rev-parse", "HEAD~1")
    _, script = read(repository / GITLAB)["distil gate"]["script"]
    variables = {"CI_MERGE_REQUEST_DIFF_BASE_SHA": base}
    assert _shell(script, cwd=repository, program=program, **variables) == 1
    _assert_kept(repository / "distil-gate", code=1)
    judge = read(ROOT / "action.yml")["runs"]["steps"][1]["run"]
    variables = {
        "DISTIL_GATE": "distil.gate.yaml",
        "DISTIL_BASE": base,
        "DISTIL_CANDIDATE": "",
        "DISTIL_OUT": "kept",
    }
    assert _shell(judge, cwd=repository, program=program, **variables) == 1
    _assert_kept(repository / "kept", code=1)


def test_a_commit_that_is_not_there_is_exit_5_without_a_word_on_it(
    repository: Path, program: Path
) -> None:
    gate = repository / "distil.gate.yaml"
    gate.write_text(gate.read_text().replace(", missing: warn", ""))
    script = "distil gate --measure --baseline-ref 0123456789 --out kept"
    assert _shell(script, cwd=repository, program=program) == 5
    _assert_kept(repository / "kept", code=5)
