"""`distil gate --measure` in a child process: what kills a measurement leaves the gate alive.

Models of a pull request are loaded by native code, which may crash or take all memory. The parent
then still judges, says what happened and writes every output. The child reads one line of JSON,
tells its events as lines, and ends with its parent.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any

from compress import errors
from compress.errors import DistilError
from compress.gate.gate_file import LoadedGate, load_gate
from exporters.events import Event

_GRACE_S = 10.0
_SHOWN_LINES = 3

OnEvent = Callable[[Event], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What the child measures: a gate file as the command line changed it. fresh: also what was
    measured before."""

    file: str
    cache: str
    candidate: str | None = None
    baseline_ref: str | None = None
    data_folder: str | None = None
    fresh: bool = False


def asked_gate(asked: Asked) -> LoadedGate:
    """The gate file that is meant."""
    gate = load_gate(asked.file)
    if asked.candidate is not None:
        gate = gate.with_candidate(Path(asked.candidate))
    if asked.baseline_ref is not None:
        gate = gate.with_baseline_ref(asked.baseline_ref)
    return gate


def measure_apart(asked: Asked, *, on_event: OnEvent) -> tuple[str, ...]:
    """Measure what the budgets lack; their ids. Raises what measuring raised, and DistilError where
    the child was killed."""
    with tempfile.TemporaryFile("w+") as log:
        child = subprocess.Popen(
            [sys.executable, "-P", "-m", "compress.pipeline.gate_child"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            env=_environment(),
            start_new_session=True,  # Ctrl-C reaches the parent, which passes it on once
        )
        assert child.stdin is not None
        assert child.stdout is not None
        answer: dict[str, Any] = {}
        try:
            child.stdin.write(json.dumps(asdict(asked)) + "\n")
            child.stdin.flush()
            for line in child.stdout:
                answer = json.loads(line)
                if "event" in answer:
                    on_event(Event(**answer["event"]))
            child.wait()
        except BrokenPipeError:
            child.wait()
        except BaseException:
            _stop(child)
            raise
        finally:
            child.stdout.close()
            _close(child.stdin)
        if "budgets" in answer:
            return tuple(answer["budgets"])
        if "error" in answer:
            raise _as_raised(answer["error"])
        log.seek(0)
        raise _killed(child.returncode, log.read(), where=asked.file)


def main() -> int:
    """The child."""
    out = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what libraries print is no part of what is told

    def tell(message: dict[str, Any]) -> None:
        out.write(json.dumps(message, default=str) + "\n")
        out.flush()

    asked = Asked(**json.loads(sys.stdin.readline()))
    threading.Thread(target=_end_with_parent, daemon=True).start()
    try:
        ids = _measure(asked, lambda event: tell({"event": asdict(event)}))
    except DistilError as error:
        kinds = [kind.__name__ for kind in type(error).__mro__]
        about = {"kinds": kinds, "what": error.what, "where": error.where, "cure": error.cure}
        tell({"error": about})
        return 0
    tell({"budgets": ids})
    return 0


def _measure(asked: Asked, on_event: OnEvent) -> list[str]:
    from datetime import UTC, datetime

    from compress.gate.evidence import read_evidence
    from compress.gate.judge import timed_budgets
    from compress.gate.result import judge_collected
    from compress.pipeline.gate_evidence import lacking, measure_gate, without_kept
    from compress.report.baseline_file import find_baseline
    from compress.report.serialise import load_report

    now = datetime.now(UTC)
    gate = asked_gate(asked)
    tests = timed_budgets(gate.budgets)
    measured: list[str] = []
    for part in gate.parts():
        state = find_baseline(part)
        collected = read_evidence(
            part,
            load_report=lambda path, samples: load_report(path, samples=samples),
            baseline=state,
            today=now.date(),
        )
        if asked.fresh:
            collected = without_kept(collected, part)
        found = judge_collected(part, collected, state, today=now.date(), tests=tests)
        budgets = lacking(part, found.verdicts, collected, state)
        if not budgets:
            continue
        ids = [budget.id for budget in budgets]
        on_event(Event("start", "gate", f"measuring for {', '.join(ids)}"))
        measure_gate(
            part,
            budgets,
            collected,
            state,
            cache=Path(asked.cache),
            created_at=now.isoformat(timespec="seconds"),
            data_folder=None if asked.data_folder is None else Path(asked.data_folder),
            tests=tests,
            on_event=on_event,
        )
        measured += ids
    return measured


def _end_with_parent() -> None:
    """The parent holds the other end of standard input for as long as it lives."""
    sys.stdin.read()
    os.kill(os.getpid(), signal.SIGTERM)


def _environment() -> dict[str, str]:
    """PYTHONPATH names the folder of these packages; a user's own `compress/` can't come first."""
    root = str(Path(__file__).resolve().parents[2])
    path = os.pathsep.join(filter(None, [root, os.environ.get("PYTHONPATH", "")]))
    return {**os.environ, "PYTHONSAFEPATH": "1", "PYTHONPATH": path}


def _stop(child: subprocess.Popen[str]) -> None:
    """Ask, wait, then insist: on the child and on the workers that it started."""
    child.terminate()
    try:
        child.wait(timeout=_GRACE_S)
    except subprocess.TimeoutExpired:
        os.killpg(child.pid, signal.SIGKILL)
        child.wait()


def _close(stream: IO[str]) -> None:
    with suppress(BrokenPipeError):  # a child that is gone
        stream.close()


def _as_raised(about: dict[str, Any]) -> DistilError:
    """Of the nearest class that is known here, so that the exit code is the child's."""
    kinds = (getattr(errors, name, None) for name in about["kinds"])
    kind = next((k for k in kinds if k is not None), DistilError)
    found: DistilError = kind(about["what"], where=about["where"], cure=about["cure"])
    return found


def _killed(code: int, log: str, *, where: str) -> DistilError:
    lines = [line for line in log.strip().splitlines() if line.strip()]
    last = " / ".join(lines[-_SHOWN_LINES:])[-400:] or "it printed nothing"
    name = signal.Signals(-code).name if code < 0 else f"exit code {code}"
    cure = "open the candidate with `distil inspect`, and measure it alone with `distil bench`"
    if code == -signal.SIGKILL:
        cure = "SIGKILL often means that memory ran out: give the job more, or a smaller batch"
    return DistilError(f"measuring ended with {name} ({last})", where=where, cure=cure)


if __name__ == "__main__":
    sys.exit(main())
