"""How the process of a training ends: with its own code, whatever is torn down after it."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

ENDING = """
import atexit, os
from compress.distill.lifeline import leave
atexit.register(os.abort)  # as torch's teardown now and then does
print("done")
leave(%d)
"""


def ended(code: int, **variables: str) -> subprocess.CompletedProcess[str]:
    plain = {name: value for name, value in os.environ.items() if name != "RANK"}
    command = [sys.executable, "-c", ENDING % code]
    return subprocess.run(command, env={**plain, **variables}, capture_output=True, text=True)


@pytest.mark.parametrize("code", [0, 143])
def test_one_of_several_keeps_its_code_and_what_it_printed(code: int) -> None:
    done = ended(code, RANK="1")
    assert (done.returncode, done.stdout) == (code, "done\n")


def test_a_process_alone_ends_as_any_program_does() -> None:
    assert ended(0).returncode < 0  # what it registered is called: here, an abort
