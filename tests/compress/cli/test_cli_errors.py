"""Every failure is one line with a cure, the exit code of the documentation, and JSON if asked."""

import errno
import logging
import os
import signal
from pathlib import Path

import pytest
from distil_command import assert_one_line_error, child, kept

from compress.cli.failures import describe
from compress.errors import BaselineMissing, DistilError, InputError, Interrupted


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (InputError("bad", where="a.yaml:3", cure="fix it"), 2),
        (DistilError("crashed"), 4),
        (BaselineMissing("none"), 5),
        (Interrupted("stopped", signal_number=signal.SIGTERM), 143),
        (Interrupted("stopped", signal_number=signal.SIGINT), 130),
        (KeyboardInterrupt(), 130),
        (MemoryError(), 4),
        (OSError(errno.ENOSPC, "No space left on device", "/x"), 4),
        (PermissionError(errno.EACCES, "Permission denied", "/x"), 2),
        (OSError(errno.EIO, "I/O error"), 4),
        (ValueError("surprise"), 4),
    ],
)
def test_exit_codes(error: BaseException, code: int) -> None:
    failure = describe(error)
    assert failure.exit_code == code
    assert failure.line
    assert "\n" not in failure.line


def test_a_line_says_where_what_and_cure() -> None:
    failure = describe(InputError("is not a time", where="a.yaml:3:5", cure="write 15ms"))
    assert failure.line == "a.yaml:3:5: is not a time; write 15ms"


def test_control_characters_in_names_are_shown_and_not_obeyed() -> None:
    line = describe(InputError("no such\nfile", where="a\x1b[31m\u202eb\x9b")).line
    assert line == "a\\x1b[31m\\u202eb\\x9b: no such file"


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        (["nonsense"], ["nonsense", "distil --help"]),
        (["run"], ["RECIPE", "distil run --help"]),
        (["gate", "--format", "pdf"], ["--format", "junit", "distil gate --help"]),
        (["run", "missing.yaml"], ["missing.yaml", "no such file"]),
        (["verify", "missing"], ["missing"]),
        (["inspect", "missing.onnx"], ["missing.onnx", "no such file"]),
        (["bench", "missing.onnx"], ["missing.onnx", "no such file"]),
        (["bench", "a.onnx", "--batch", "1,x"], ["--batch", "1,32"]),
        (["bench", "a.onnx", "a.onnx"], ["twice", "--aa"]),
        (["report", "missing"], ["missing"]),
        (["cache", "prune", "--older-than", "5"], ["--older-than", "30d"]),
        (["cache", "prune", "--older-than=-30d"], ["--older-than", "30d"]),
        (["cache", "prune", "--older-than", "nand"], ["--older-than", "30d"]),
        (["cache", "prune", "--max-size", "5"], ["--max-size", "2GiB"]),
        (["export", "m.py:f", "o.onnx", "--shape", "3,x"], ["--shape", "3,32,32"]),
        (["export", "m.py:f", "o.onnx", "--shape", "3"], ["m.py"]),
        (["convert", "missing.pt", "o.safetensors"], ["missing.pt"]),
        (["gate", "missing.yaml"], ["missing.yaml"]),
    ],
)
def test_what_the_user_named_wrong_is_one_line_and_exit_2(call, arguments, parts) -> None:
    result = call(*arguments)
    assert result.code == 2
    assert_one_line_error(result, *parts)


def test_a_traceback_comes_with_debug_alone(call) -> None:
    assert "Traceback" not in call("verify", "missing").err
    debug = call("verify", "missing", "--debug").err
    assert "Traceback" in debug
    assert debug.splitlines()[-1].startswith("error: ")


def test_json_is_written_on_failure(call, tmp_path: Path) -> None:
    call("verify", "missing", "--json", "out.json")
    result = kept(tmp_path / "out.json")
    assert (result["schema"], result["verb"], result["exit_code"]) == (1, "verify", 2)
    assert result["error"]["kind"] == "InputError"
    assert "missing" in result["error"]["where"]
    assert result["result"] is None


def test_json_is_written_for_a_wrong_command_line(call, tmp_path: Path) -> None:
    assert call("run", "--nope", "--json=out.json").code == 2
    assert kept(tmp_path / "out.json")["error"]["kind"] == "UsageError"


@pytest.mark.parametrize("place", ["folder", "nowhere/out.json"])
def test_an_unusable_json_file_is_told_before_work_begins(call, tmp_path: Path, place: str) -> None:
    (tmp_path / "folder").mkdir()
    result = call("init", "here", "--json", place)
    assert result.code == 2
    assert_one_line_error(result, "--json")
    assert not (tmp_path / "here").exists()


def test_json_replaces_an_older_file_whole(call, tmp_path: Path) -> None:
    (tmp_path / "out.json").write_text("x" * 100_000)
    call("cache", "list", "--json", "out.json")
    assert kept(tmp_path / "out.json")["exit_code"] == 0
    assert sorted(os.listdir(tmp_path)) == ["out.json"]


def test_the_program_runs_without_home_terminal_and_colour(tmp_path: Path) -> None:
    result = child(
        *("cache", "list"),
        cwd=tmp_path,
        HOME=None,
        XDG_CACHE_HOME=None,
        DISTIL_CACHE=None,
        LC_ALL="C",
        NO_COLOR="1",
        TZ="Nowhere/At_All",
        TERM=None,
    )
    assert result.code == 0
    assert result.out == f"{tmp_path / '.distil'}: nothing is stored\n"
    assert "\x1b" not in result.out + result.err


def test_a_call_leaves_logging_as_it_was(call) -> None:
    logger = logging.getLogger("benchmarks")
    before = (logger.level, list(logging.getLogger().handlers))
    call("cache", "list", "--debug")
    call("verify", "missing")
    assert (logger.level, list(logging.getLogger().handlers)) == before
