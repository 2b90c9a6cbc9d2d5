"""`pip install .` into an environment that exists: the command works, nothing else changes."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
OURS = {"benchmarks", "compress", "exporters", "distil_pytest.py"}


def _copy(folder: Path) -> Path:
    """What git would commit: a build leaves folders beside its sources."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=ROOT,
        capture_output=True,
        check=True,
    ).stdout.decode()
    for name in filter(None, listed.split("\0")):
        kept = ROOT / name
        if kept.is_file() and kept.stat().st_size < 1_000_000:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(kept.read_bytes())
    return folder


def _run(*command: str | Path, cwd: Path) -> str:
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        [str(part) for part in command],
        cwd=cwd,
        env={**environment, "PIP_USER": "0"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.strip()


@pytest.mark.slow
def test_an_existing_environment_gains_our_packages_and_a_command(tmp_path: Path) -> None:
    venv, elsewhere = tmp_path / "venv", tmp_path / "elsewhere"
    elsewhere.mkdir()
    _run(sys.executable, "-m", "venv", "--without-pip", venv, cwd=tmp_path)
    python = venv / "bin" / "python"
    site = Path(_run(python, "-c", "import site; print(site.getsitepackages()[0])", cwd=tmp_path))
    # It has what we need already, as an environment has that somebody works in.
    (site / "theirs.pth").write_text(sysconfig.get_path("purelib") + "\n")
    before = {path.name for path in site.iterdir()}
    pip = (sys.executable, "-m", "pip", "--python", python)
    source = _copy(tmp_path / "source")
    options = ("-q", "--no-index", "--no-deps", "--no-build-isolation")
    _run(*pip, "install", *options, source, cwd=elsewhere)
    gained = {path.name for path in site.iterdir()} - before - {"__pycache__"}
    assert {name for name in gained if not name.endswith(".dist-info")} == OURS
    assert len(gained) == len(OURS) + 1  # the metadata
    distil = venv / "bin" / "distil"
    assert _run(distil, "--version", cwd=elsewhere)
    where = "import compress, benchmarks, exporters as e; print(compress.__file__, e.__file__)"
    for path in _run(python, "-P", "-c", where, cwd=elsewhere).split():
        assert path.startswith(str(site))
    _run(distil, "init", cwd=elsewhere)
    assert (elsewhere / "recipe.yaml").is_file()
    listed = _run(distil, "bench", "--help", cwd=elsewhere)
    assert "--device" in listed
    _run(*pip, "uninstall", "-q", "-y", "distil", cwd=elsewhere)
    assert {path.name for path in site.iterdir()} - before - {"__pycache__"} == set()
