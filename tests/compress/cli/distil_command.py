"""Calls the program as a user does: in a child process, or here where only its answer matters."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[3]


@dataclass(frozen=True)
class Result:
    code: int
    out: str
    err: str


Call = Callable[..., Result]  # the fixture `call`


def environment(**changes: str | None) -> dict[str, str]:
    """Ours, with the checkout importable; None removes a variable."""
    merged: dict[str, str | None] = {**os.environ, "PYTHONPATH": str(ROOT), **changes}
    return {name: value for name, value in merged.items() if value is not None}


def child(
    *arguments: str | Path, cwd: Path, timeout_s: float = 120, **changes: str | None
) -> Result:
    """`python -P -m compress ...` in a folder, with a changed environment."""
    done = subprocess.run(
        [sys.executable, "-P", "-m", "compress", *map(str, arguments)],
        cwd=cwd,
        env=environment(**changes),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=timeout_s,
        check=False,
    )
    return Result(done.returncode, _text(done.stdout), _text(done.stderr))


def _text(data: bytes) -> str:
    return data.decode("utf-8", errors="surrogateescape")


def kept(path: Path) -> Any:
    """A --json file."""
    return json.loads(path.read_text())


def assert_one_line_error(result: Result, *parts: str) -> None:
    """Exactly one line on standard error, which says `error:` and all parts."""
    lines = result.err.splitlines()
    assert len(lines) == 1, result.err
    assert lines[0].startswith("error: ")
    for part in parts:
        assert part in lines[0]
    assert "Traceback" not in result.out + result.err
