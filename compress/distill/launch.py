"""Start a training job, alone or as several processes, and follow it to its end."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING

from compress import errors
from compress.errors import DistilError, Interrupted, MachineFailed
from exporters.atomic import write_text
from exporters.events import Event

if TYPE_CHECKING:
    from compress.distill.job import JobSpec

POLL_S = 0.1
GRACE_S = 8.0  # of the 10 s in which a stopped command is over
JOB = Path(__file__).with_name("job.py")
LOG_LINES_SHOWN = 3


def launch(
    spec: JobSpec,
    *,
    processes: int = 1,
    stage: str = "train",
    script: Path = JOB,
    on_event: Callable[[Event], None] = lambda event: None,
) -> None:
    """Run the job to its end. Raises what the job raised, or DistilError when it was killed.

    script: what is started with the path of the spec.

    KeyboardInterrupt, or Interrupted raised by a signal handler of the caller, is passed on to
    the job, which saves a checkpoint within seconds, and then raised here.
    """
    workdir = Path(spec.workdir)
    workdir.mkdir(parents=True, exist_ok=True)
    (workdir / "error.json").unlink(missing_ok=True)
    events = workdir / "events.jsonl"
    write_text(workdir / "spec.json", json.dumps(asdict(spec)))
    follower = _Follower(events, lambda event: on_event(replace(event, stage=stage)))
    with (workdir / "job.log").open("ab") as log:
        child = subprocess.Popen(
            _command(script, workdir / "spec.json", processes),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env=_environment(cpu=spec.distill["device"] == "cpu"),
            start_new_session=True,  # Ctrl-C reaches the parent, which passes it on once
        )
        try:
            while child.poll() is None:
                follower.read()
                time.sleep(POLL_S)
        except BaseException:
            _stop(child)
            raise
    follower.read()
    _raise_for(child.returncode, workdir)


class _Follower:
    """Reads what a job appends to its events file."""

    def __init__(self, path: Path, on_event: Callable[[Event], None]) -> None:
        self.path, self.on_event = path, on_event
        self.offset = path.stat().st_size if path.exists() else 0

    def read(self) -> None:
        if not self.path.exists():
            return
        with self.path.open("rb") as stream:
            stream.seek(self.offset)
            for line in stream:
                if not line.endswith(b"\n"):
                    break  # half a line: the rest comes at the next look
                self.offset += len(line)
                self.on_event(Event(**json.loads(line)))


def _command(script: Path, spec_path: Path, processes: int) -> list[str]:
    job = [str(script), str(spec_path)]
    if processes == 1:
        return [sys.executable, "-P", *job]
    spawn = str(JOB.with_name("spawn.py"))
    return [sys.executable, "-P", spawn, str(os.getpid()), str(processes), *job]


# MLflow's own defaults try a server that is gone seven times over minutes, at every step.
PATIENCE = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1", "MLFLOW_HTTP_REQUEST_TIMEOUT": "10"}


def _environment(*, cpu: bool) -> dict[str, str]:
    """PYTHONPATH names the folder of these packages; a user's own `compress/` can't come first."""
    root = str(Path(__file__).resolve().parents[2])
    path = os.pathsep.join(filter(None, [root, os.environ.get("PYTHONPATH", "")]))
    ours = {"PYTHONSAFEPATH": "1", "PYTHONPATH": path, "ACCELERATE_USE_CPU": str(cpu).lower()}
    return {**PATIENCE, **os.environ, **ours}


def _stop(child: subprocess.Popen[bytes]) -> None:
    """Ask, wait, then insist."""
    child.send_signal(signal.SIGTERM)
    try:
        child.wait(timeout=GRACE_S)
    except subprocess.TimeoutExpired:
        os.killpg(child.pid, signal.SIGKILL)
        child.wait()


def _raise_for(code: int, workdir: Path) -> None:
    if code == 0:
        return
    error_path = workdir / "error.json"
    if error_path.exists():
        about = json.loads(error_path.read_text())
        kind = getattr(errors, about["type"], DistilError)
        raise kind(about["what"], where=about["where"], cure=about["cure"])
    if code in (128 + signal.SIGTERM, -signal.SIGTERM):
        raise Interrupted(
            "training was stopped",
            signal_number=signal.SIGTERM,
            cure="run the same command again to go on from the last checkpoint",
        )
    lines = (workdir / "job.log").read_text(errors="replace").strip().splitlines()
    last = " / ".join(lines[-LOG_LINES_SHOWN:]) or "it printed nothing"
    cure = "run the same command again to go on from the last checkpoint"
    if code == -signal.SIGKILL:
        cure = f"SIGKILL often means that memory ran out: lower `distill.batch`, or {cure}"
    name = signal.Signals(-code).name if code < 0 else f"exit code {code}"
    raise MachineFailed(
        f"the training job ended with {name} ({last})",
        where="distill",
        cure=f"{cure}; its log is {workdir / 'job.log'}",
    )
