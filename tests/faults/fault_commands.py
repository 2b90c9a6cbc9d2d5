"""Runs `python -P -m compress` in children that need not import torch each time.

One real process imports the program and then forks once per command: the child has its own
folder, environment, limits and streams, calls `main`, and dies as any other program does.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
SERVER = """
import json, os, resource, sys
import compress.distill.launch, compress.pipeline.run, compress.cli.main
import exporters.export, onnx, onnxscript, torch.onnx

def child(order):
    os.setsid()
    os.chdir(order["cwd"])
    os.environ.update(order["environment"])
    for number, path in enumerate(("/dev/null", order["out"], order["err"])):
        mode = os.O_RDONLY if number == 0 else os.O_WRONLY | os.O_CREAT | os.O_TRUNC
        descriptor = os.open(path, mode)
        os.dup2(descriptor, number)
        os.close(descriptor)
    if order["file_bytes"]:
        resource.setrlimit(resource.RLIMIT_FSIZE, (order["file_bytes"], order["file_bytes"]))
    if order["grace_s"] is not None:
        compress.distill.launch.GRACE_S = order["grace_s"]
    code = 99
    try:
        compress.cli.main.main(order["arguments"])
    except SystemExit as left:
        code = left.code or 0
    finally:
        sys.stdout.flush()
        os._exit(code)

answers = os.fdopen(int(sys.argv[1]), "w", buffering=1)
for line in sys.stdin:
    order = json.loads(line)
    if "wait" in order:
        status = os.waitpid(order["wait"], 0)[1]
        answers.write(f"{os.waitstatus_to_exitcode(status)}\\n")
        continue
    process = os.fork()
    if process == 0:
        child(order)
    answers.write(f"{process}\\n")
"""


@dataclass
class Ended:
    """How a command ended. err: what it said to standard error, its lines."""

    code: int
    out: str
    err: list[str]

    def assert_error(self, code: int, *parts: str) -> None:
        """The exit code, and one line on standard error that holds all parts."""
        assert self.code == code, self.err
        assert len(self.err) == 1, self.err
        assert self.err[0].startswith("error: ")
        assert "Traceback" not in self.err[0] + self.out
        for part in parts:
            assert part in self.err[0]


@dataclass
class Started:
    """A command at work. pid leads a process group of its own."""

    pid: int
    out: Path
    err: Path
    server: Server

    def wait(self) -> Ended:
        code = self.server.ask({"wait": self.pid})
        return Ended(code, _text(self.out), _text(self.err).splitlines())


@dataclass
class Server:
    """The process that forks. Use as a context manager."""

    folder: Path
    _process: subprocess.Popen[str] = field(init=False)
    _answers: Any = field(init=False)
    _count: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __enter__(self) -> Server:
        reading, writing = os.pipe()
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-c", SERVER, str(writing)],
            env=environment,
            stdin=subprocess.PIPE,
            text=True,
            pass_fds=(writing,),
        )
        os.close(writing)
        self._answers = os.fdopen(reading)
        return self

    def __exit__(self, *about: object) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(timeout=60)
        self._answers.close()

    def ask(self, order: Mapping[str, Any]) -> int:
        """Send one order, read one number."""
        assert self._process.stdin is not None
        with self._lock:
            self._process.stdin.write(json.dumps(order) + "\n")
            self._process.stdin.flush()
            return int(self._answers.readline())

    def start(
        self,
        *arguments: str | Path,
        cwd: Path,
        environment: Mapping[str, str] | None = None,
        file_bytes: int = 0,
        grace_s: float | None = None,
    ) -> Started:
        """Start one command. file_bytes: the largest file that it may write; 0: any. grace_s: how
        long it waits for a training that it stops; None: as long as it always does."""
        self._count += 1
        out, err = self.folder / f"{self._count}.out", self.folder / f"{self._count}.err"
        order = {
            "arguments": [str(argument) for argument in arguments],
            "cwd": str(cwd),
            "environment": dict(environment or {}),
            "out": str(out),
            "err": str(err),
            "file_bytes": file_bytes,
            "grace_s": grace_s,
        }
        return Started(self.ask(order), out, err, self)

    def run(self, *arguments: str | Path, cwd: Path, **more: Any) -> Ended:
        """One command, to its end."""
        return self.start(*arguments, cwd=cwd, **more).wait()


def alone(
    arguments: Sequence[str | Path], *, cwd: Path, environment: Mapping[str, str | None]
) -> Ended:
    """One command in a process of its own, with standard output closed."""
    merged = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", **environment}
    with tempfile.TemporaryFile() as said:
        done = subprocess.run(
            ["sh", "-c", 'exec "$@" >&-', "sh", sys.executable, "-P", "-m", "compress"]
            + [os.fspath(argument) for argument in arguments],
            cwd=cwd,
            env={name: value for name, value in merged.items() if value is not None},
            stdin=subprocess.DEVNULL,
            stderr=said,
            check=False,
            timeout=200,
        )
        said.seek(0)
        return Ended(done.returncode, "", said.read().decode(errors="replace").splitlines())


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8", errors="replace") if path.exists() else ""
