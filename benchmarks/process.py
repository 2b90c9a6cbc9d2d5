"""The parent's side of a timed child: start, ask, time limit, and what its death means."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import IO, Any

from exporters.errors import (
    DistilError,
    ExportError,
    InputError,
    MachineFailed,
    RefusedModel,
    RuntimeMissing,
)

WORKER = Path(__file__).resolve().parent / "worker.py"
_ERRORS = {
    kind.__name__: kind
    for kind in (InputError, RefusedModel, ExportError, RuntimeMissing, MachineFailed)
}
# A fault of the code that ran, not of whoever stopped it.
_CRASHES = frozenset(
    {signal.SIGSEGV, signal.SIGABRT, signal.SIGBUS, signal.SIGILL, signal.SIGFPE, signal.SIGSYS}
)
# One thread for numpy's own pool: it does nothing here, and a pool is memory and wake-ups.
_QUIET = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}


class WorkerDied(DistilError):
    """The child ended, or was ended at its time limit, before it answered."""


class WorkerKilled(WorkerDied, MachineFailed):
    """It was ended from outside, as where memory runs out."""


class WorkerProcess:
    """A child that answers one request at a time; the parent sleeps meanwhile. A context manager,
    entered when the child is ready: several can be started together.

    source: the file as the user named it, for messages. limit_s: for each request.
    """

    def __init__(self, *, source: Path, limit_s: float = 120.0, worker: Path = WORKER) -> None:
        self.source, self.limit_s = source, limit_s
        self._buffer, self._copy = b"", ""
        self._log: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115  (closed by close)
        self._reply, write_end = os.pipe()
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-P", str(worker), str(write_end)],
                stdin=subprocess.PIPE,
                stdout=self._log,
                stderr=self._log,
                pass_fds=(write_end,),
                start_new_session=True,  # Ctrl-C is ours: we end the child
                env={**os.environ, **_QUIET},
            )
        except OSError as exc:
            os.close(self._reply)
            self._log.close()
            raise MachineFailed(f"can't start a worker: {exc.strerror}", where=str(worker)) from exc
        finally:
            os.close(write_end)

    def __enter__(self) -> WorkerProcess:
        try:
            self._read()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    @property
    def pid(self) -> int:
        return self._process.pid

    def request(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """ask, of a request that something else has put together."""
        fields = dict(request)
        return self.ask(fields.pop("op"), **fields)

    def ask(self, op: str, **fields: Any) -> dict[str, Any]:
        """One request, one reply. Raises what the child raised, or WorkerDied."""
        assert self._process.stdin is not None
        self._copy = str(fields.get("path", self._copy))
        try:
            self._process.stdin.write((json.dumps({"op": op, **fields}) + "\n").encode())
            self._process.stdin.flush()
        except BrokenPipeError as exc:
            raise self._death() from exc
        return self._read()

    def finish(self) -> None:
        """Nothing more will be asked: the child's input ends. close() waits for it."""
        stdin = self._process.stdin
        if stdin is not None and not stdin.closed:
            with suppress(BrokenPipeError):
                stdin.close()

    def close(self) -> None:
        """End the child: its input ends, and a second later it is killed."""
        if self._reply < 0:
            return
        self.finish()
        try:
            self._process.wait(timeout=1)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        os.close(self._reply)
        self._reply = -1
        self._log.close()

    def _read(self) -> dict[str, Any]:
        deadline = time.monotonic() + self.limit_s
        poll = select.poll()  # and not select(): a descriptor may be above 1023
        poll.register(self._reply, select.POLLIN | select.POLLHUP)
        while b"\n" not in self._buffer:
            left = deadline - time.monotonic()
            if left <= 0:
                self._process.kill()
                self._process.wait()
                what = f"no answer within {self.limit_s:g} s; the worker was ended"
                raise WorkerDied(what, where=str(self.source), cure="try a smaller batch")
            if poll.poll(left * 1000):
                part = os.read(self._reply, 1 << 20)
                if not part:
                    raise self._death()
                self._buffer += part
        line, _, self._buffer = self._buffer.partition(b"\n")
        reply: dict[str, Any] = json.loads(line)
        if "error" in reply:
            kind = _ERRORS.get(reply["error"], DistilError)
            what = reply["what"]
            if self._copy:  # the child knows only the copy that it was given
                what = what.replace(self._copy, str(self.source))
            raise kind(what, where=str(self.source), cure=reply["cure"])
        return reply

    def _death(self) -> WorkerDied:
        code = self._process.wait()
        what, cure = describe_death(code, last_line=self._last_line())
        killed = code < 0 and -code not in _CRASHES
        kind = WorkerKilled if killed else WorkerDied
        return kind(what, where=str(self.source), cure=cure)

    def _last_line(self) -> str:
        self._log.seek(0, os.SEEK_END)
        self._log.seek(max(0, self._log.tell() - 4000))
        lines = self._log.read().decode(errors="replace").split("\n")
        return next((line.strip() for line in reversed(lines) if line.strip()), "")


def describe_death(code: int, *, last_line: str = "") -> tuple[str, str]:
    """What happened and what to do, from a return code (negative: a signal)."""
    said = f": {last_line}" if last_line else ""
    if code >= 0:
        return f"the worker ended with code {code} before it answered{said}", ""
    try:
        name, number = signal.Signals(-code).name, signal.Signals(-code)
    except ValueError:
        return f"the worker was ended by signal {-code}", ""
    if number in _CRASHES:
        cure = "try another onnxruntime version, or export the model again"
        return f"the model crashed the runtime ({name}){said}", cure
    if number == signal.SIGKILL:
        cure = "look for the out-of-memory killer (`dmesg`), or try a smaller batch"
        return f"the worker was killed ({name})", cure
    return f"the worker was ended ({name})", ""
