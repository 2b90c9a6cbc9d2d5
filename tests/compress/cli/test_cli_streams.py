"""Closed, full and gone output; encodings that lack characters; signals."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from distil_command import child, environment

from compress.cli.streams import printable

BIG = """
import sys
from compress.cli.main import build
from compress.cli.invocation import Invocation

def work() -> None:
    with Invocation("work", json_file=None, quiet=False, verbose=False, debug=False) as call:
        for _ in range(2000):
            call.say("x" * 100)
        call.note("finished")
        call.exit_code = 3

import typer
from compress.cli import main
main._VERBS = (*main._VERBS, ("work", work))
main.main(["work"])
"""
WAITS = """
import sys, time
from pathlib import Path
from compress.cli import main
from compress.cli.invocation import Invocation

def work() -> None:
    with Invocation(
        "work", json_file=Path("out.json"), quiet=False, verbose=False, debug=False
    ) as call:
        try:
            print("ready", flush=True)
            time.sleep(60)
        finally:
            if "slow" in sys.argv:
                print("unwinding", flush=True)
                time.sleep(60)

main._VERBS = (*main._VERBS, ("work", work))
main.main(["work"])
"""


def start(source: str, *arguments: str, cwd: Path, **streams: object) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-P", "-c", source, *arguments],
        cwd=cwd,
        env=environment(),
        text=True,
        # A process of pytest-xdist ignores it, and what it starts would.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        **streams,  # type: ignore[call-overload]
    )


def test_a_reader_that_goes_away_is_no_error_and_does_not_change_the_exit_code(
    tmp_path: Path,
) -> None:
    with start(BIG, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        err = process.stderr.read()
        assert process.wait(60) == 3
    assert err == "finished\n"


def test_help_into_a_reader_that_goes_away_is_quiet(tmp_path: Path) -> None:
    line = f"{sys.executable} -P -m compress run --help | true"
    done = subprocess.run(
        ["sh", "-c", line], cwd=tmp_path, env=environment(), capture_output=True, check=False
    )
    assert done.stderr == b""


def test_full_output_is_an_error_with_a_cure(tmp_path: Path) -> None:
    with open("/dev/full", "w") as full:
        process = start(BIG, cwd=tmp_path, stdout=full, stderr=subprocess.PIPE)
        err = process.communicate(timeout=60)[1]
    assert process.returncode == 4
    assert err.startswith("error: can't write to standard output: No space left on device; --json")
    assert err.count("\n") == 1


def test_closed_output_does_not_end_up_in_a_file(tmp_path: Path) -> None:
    """A closed descriptor 1 would be given to the next file that is opened."""
    line = f"{sys.executable} -P -m compress init here --json out.json >&- 2>&- <&-"
    done = subprocess.run(
        ["sh", "-c", line], cwd=tmp_path, env=environment(), capture_output=True, check=False
    )
    assert done.returncode == 0
    assert (tmp_path / "out.json").read_text().startswith('{\n  "schema": 1')
    assert (tmp_path / "here" / "recipe.yaml").read_text().startswith("# A recipe")


def test_characters_that_the_output_lacks_are_escaped(tmp_path: Path) -> None:
    name = "Straße-Ω"
    result = child(
        *("init", name), cwd=tmp_path, LC_ALL="C", PYTHONUTF8="0", PYTHONCOERCECLOCALE="0"
    )
    assert result.code == 0, result.err
    assert result.out.isascii() or "Stra" in result.out
    assert (tmp_path / name / "recipe.yaml").is_file()


def test_a_name_that_is_not_utf8_works(tmp_path: Path) -> None:
    name = os.fsdecode(b"caf\xe9")
    result = child("init", name, cwd=tmp_path)
    assert result.code == 0, result.err
    assert (tmp_path / name / "recipe.yaml").is_file()


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_the_work_in_order(tmp_path: Path, number: signal.Signals, code: int) -> None:
    with start(WAITS, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        process.send_signal(number)
        _, err = process.communicate(timeout=60)
    assert process.returncode == code
    assert err == f"error: stopped by {number.name}; run the same command again\n"
    assert f'"exit_code": {code}' in (tmp_path / "out.json").read_text()


def test_a_second_signal_leaves_at_once(tmp_path: Path) -> None:
    with start(
        WAITS, "slow", cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        process.send_signal(signal.SIGINT)
        assert process.stdout.readline() == "unwinding\n"
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Traceback" not in err


def test_printable_keeps_ordinary_text() -> None:
    assert printable("Größe 12 MiB → 3") == "Größe 12 MiB → 3"
    assert printable("a\tb\r\nc\u2028d\x7f") == "a b c d\\x7f"
