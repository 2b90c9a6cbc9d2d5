"""The posting workflow: one comment per gate, kept up to date, and nobody's words are trusted.

Its script is run with a `gh` that answers as GitHub's API does and keeps what it was asked.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from compress.cli.main import run_command

FILE = ".github/workflows/distil-gate-comment.yml"
SHA = "0123456789abcdef0123456789abcdef01234567"
TEXT = "<!-- distil-gate:distil.gate.yaml -->\n**1 violated**\n"
BOT, SOMEBODY = {"login": "github-actions[bot]"}, {"login": "somebody"}
GH = """\
import json, sys
from pathlib import Path
arguments = sys.argv[2:]
sent = json.load(sys.stdin) if "--input" in arguments else None
with Path("asked.jsonl").open("a") as stream:
    stream.write(json.dumps([arguments, sent]) + "\\n")
known = json.loads(Path("answers.json").read_text())
writes = "PATCH" in arguments or "POST" in arguments
name = "written" if writes else "pulls" if "state=open" in arguments else "comments"
print(json.dumps(known[name]))
"""


@pytest.fixture
def script(tmp_path: Path) -> str:
    """The step's own text; `gh` is on the path, the artifact is there."""
    assert run_command(["init", "--ci", "github", str(tmp_path / "repository"), "-q"]) == 0
    document: Any = yaml.safe_load((tmp_path / "repository" / FILE).read_text())
    job = document["jobs"]["comment"]
    assert document["permissions"] == {}
    assert job["permissions"] == {"actions": "read", "pull-requests": "write"}
    assert not any("checkout" in step.get("uses", "") for step in job["steps"])
    (tmp_path / "bin").mkdir()
    (tmp_path / "gh.py").write_text(GH)
    start = f'#!/bin/sh\nexec "{sys.executable}" "{tmp_path / "gh.py"}" "$@"\n'
    (tmp_path / "bin" / "gh").write_text(start)
    (tmp_path / "bin" / "gh").chmod(0o755)
    (tmp_path / "distil-gate").mkdir()
    (tmp_path / "distil-gate" / "gate.md").write_text(TEXT)
    return str(job["steps"][1]["run"])


def _post(
    script: str, folder: Path, *, comments: list[Any], sha: str = SHA
) -> tuple[subprocess.CompletedProcess[str], list[Any]]:
    pulls = [{"number": 7, "head": {"sha": SHA}}, {"number": 8, "head": {"sha": "f" * 40}}]
    answers = {"pulls": pulls, "comments": [comments], "written": {}}
    (folder / "answers.json").write_text(json.dumps(answers))
    (folder / "asked.jsonl").unlink(missing_ok=True)
    environment = {
        **os.environ,
        "PATH": f"{folder / 'bin'}:{os.environ['PATH']}",
        "REPOSITORY": "owner/models",
        "HEAD_OWNER": "somebody",
        "HEAD_BRANCH": "feature$(touch hurt)",
        "HEAD_SHA": sha,
    }
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    asked = folder / "asked.jsonl"
    return done, [
        json.loads(row) for row in asked.read_text().splitlines()
    ] if asked.exists() else []


def test_the_first_time_a_comment_is_written(script: str, tmp_path: Path) -> None:
    foreign = {"id": 3, "user": SOMEBODY, "body": TEXT}
    done, asked = _post(script, tmp_path, comments=[foreign])
    assert done.returncode == 0, done.stderr
    assert "head=somebody:feature$(touch hurt)" in asked[0][0]
    assert not (tmp_path / "hurt").exists()
    place = "repos/owner/models/issues/7/comments"
    assert asked[-1] == [["--method", "POST", place, "--input", "-"], {"body": TEXT}]
    assert len(asked) == 3  # pulls, comments, one written: not on the request with another head


def test_later_the_same_comment_is_changed(script: str, tmp_path: Path) -> None:
    old = {"id": 44, "user": BOT, "body": TEXT.replace("1 violated", "2 violated")}
    other = {"id": 43, "user": BOT, "body": TEXT.replace("distil.gate.yaml", "second.yaml")}
    done, asked = _post(script, tmp_path, comments=[other, old])
    assert done.returncode == 0, done.stderr
    assert asked[-1][0][:3] == ["--method", "PATCH", "repos/owner/models/issues/comments/44"]


@pytest.mark.parametrize(
    ("text", "code", "said"),
    [
        ("no marker\n", 1, "is not what `distil gate` writes"),
        (TEXT + "x" * 60_000, 1, "is not what `distil gate` writes"),
        (None, 0, "kept no verdicts"),
    ],
)
def test_an_artifact_that_is_none_of_ours_is_not_posted(
    script: str, tmp_path: Path, text: str | None, code: int, said: str
) -> None:
    report = tmp_path / "distil-gate" / "gate.md"
    report.unlink()
    if text is not None:
        report.write_text(text)
    done, asked = _post(script, tmp_path, comments=[])
    assert done.returncode == code
    assert said in done.stdout + done.stderr
    assert asked == []


def test_nobody_is_mentioned_by_a_text_from_a_fork(script: str, tmp_path: Path) -> None:
    (tmp_path / "distil-gate" / "gate.md").write_text(f"{TEXT}@everyone and @<!-- -->safe\n")
    _, asked = _post(script, tmp_path, comments=[])
    assert asked[-1][1]["body"] == f"{TEXT}@<!-- -->everyone and @<!-- -->safe\n"


def test_a_request_that_went_on_since_gets_no_old_verdicts(script: str, tmp_path: Path) -> None:
    done, asked = _post(script, tmp_path, comments=[], sha="a" * 40)
    assert done.returncode == 0
    assert "no open pull request ends in this commit" in done.stdout
    assert len(asked) == 1
