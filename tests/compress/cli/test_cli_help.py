"""Help is complete and loads nothing heavy."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from distil_command import child, environment

VERBS = (
    *("run", "bench", "gate", "convert", "export", "quantize", "inspect"),
    *("advise", "report", "verify", "recheck", "init"),
)
CACHE_VERBS = ("list", "verify", "prune")
HEAVY = ("torch", "onnx", "onnxruntime", "numpy", "scipy", "PIL", "accelerate", "yaml", "rich")
COUNT = """
import json, sys
from compress.cli.main import run_command
code = run_command(sys.argv[1:])
print("\\n" + json.dumps([code, sorted({name.split(".")[0] for name in sys.modules})]))
"""


def loaded_modules(*arguments: str, cwd: Path) -> tuple[int, set[str]]:
    """Exit code and top-level modules after a command line."""
    done = subprocess.run(
        [sys.executable, "-P", "-c", COUNT, *arguments],
        cwd=cwd,
        env=environment(),
        capture_output=True,
        text=True,
        check=True,
    )
    code, names = json.loads(done.stdout.splitlines()[-1])
    return code, set(names)


@pytest.mark.parametrize(
    "arguments", [("--help",), ("gate", "--help"), ("run", "--help"), ("cache", "list", "-h")]
)
def test_help_loads_nothing_heavy(arguments: tuple[str, ...], tmp_path: Path) -> None:
    code, modules = loaded_modules(*arguments, cwd=tmp_path)
    assert code == 0
    assert modules & set(HEAVY) == set()


def test_help_loads_few_modules(tmp_path: Path) -> None:
    """A count, since a timer would fail on a busy machine; Python alone loads about 60."""
    assert len(loaded_modules("--help", cwd=tmp_path)[1]) < 140


def test_help_lists_the_verbs_of_this_version_alone(call) -> None:
    result = call("--help")
    assert result.code == 0
    listed = result.out.split("Commands:")[1].split()
    assert [name for name in listed if name in (*VERBS, "baseline", "cache")] == [
        *VERBS,
        *("baseline", "cache"),
    ]
    assert "prune" not in listed
    assert "..." not in result.out.split("Commands:")[1]  # every verb's line fits


@pytest.mark.parametrize(
    "verb", [*((verb,) for verb in VERBS), *(("cache", v) for v in CACHE_VERBS)]
)
def test_every_verb_takes_the_common_options(call, verb: tuple[str, ...]) -> None:
    result = call(*verb, "--help")
    assert result.code == 0
    for option in ("--json FILE", "-q, --quiet", "-v, --verbose", "--debug", "-h, --help"):
        assert option in result.out


def test_no_arguments_show_help_and_count_as_usage(call) -> None:
    result = call()
    assert result.code == 2
    assert "Commands:" in result.out


def test_help_fits_a_narrow_terminal(tmp_path: Path) -> None:
    result = child("--help", cwd=tmp_path, COLUMNS="60")
    assert result.code == 0
    assert max(len(line) for line in result.out.splitlines()) <= 60
