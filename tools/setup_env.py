"""Make `.venv` from the lock files and install the project into it. Standard library only.

Run again with nothing changed, it compares one stamp file and returns. A changed lock file,
another Python or a moved folder makes the environment anew; a changed pyproject.toml only installs
the project again. With --runtime it leaves out what only tests and checks need, a third of the
time; without it a later set-up adds that.
"""

from __future__ import annotations

import argparse
import fcntl
import hashlib
import importlib.util
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
RUNTIME_LOCK, DEV_LOCK = ROOT / "requirements.lock", ROOT / "requirements-dev.lock"
LOCKS = (RUNTIME_LOCK, DEV_LOCK)
PROJECT = ROOT / "pyproject.toml"
TORCH_INDEX = "https://download.pytorch.org/whl/cpu"
CONNECTION_LIMIT_S = 10
OLDEST_PYTHON = (3, 11)
# What pip's log holds when no server was reached, whatever it concludes in its last line.
NETWORK_SIGNS = (
    "NewConnectionError",
    "ConnectTimeoutError",
    "ConnectionRefusedError",
    "Failed to establish a new connection",
    "Temporary failure in name resolution",
    "Name or service not known",
    "Network is unreachable",
    "ProxyError",
    "Read timed out",
)
# What it holds where an index lacks a build: the second with other builds of that version.
ABSENT_SIGNS = ("No matching distribution", "ResolutionImpossible")
NOT_INSTALLED = ""  # of a stamp's "dev"
Stamp = dict[str, str]


class SetupError(Exception):
    """One line: what is missing and what to do."""


def wanted_stamp() -> Stamp:
    """What the whole environment must have been made from."""
    return {
        "lock": _digest(RUNTIME_LOCK),
        "dev": _digest(DEV_LOCK),
        "project": _digest(PROJECT),
        "python": f"{sys.version} {sys.base_prefix}",
        "folder": str(ROOT),  # scripts of an environment hold absolute paths
    }


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def read_stamp(venv: Path) -> Stamp:
    """The stamp of a finished environment; empty where there is none or it has lost its Python."""
    try:
        stamp = json.loads((venv / "setup.json").read_text())
    except (OSError, ValueError):
        return {}
    return stamp if isinstance(stamp, dict) and (venv / "bin" / "python").exists() else {}


def write_stamp(venv: Path, stamp: Stamp) -> None:
    temporary = venv / "setup.json.tmp"
    temporary.write_text(json.dumps(stamp, indent=1) + "\n")
    os.replace(temporary, venv / "setup.json")


def check_python() -> None:
    """Raise SetupError where this Python cannot make the environment."""
    if sys.version_info < OLDEST_PYTHON:
        have = ".".join(str(part) for part in sys.version_info[:3])
        raise SetupError(
            f"Python {have} at {sys.executable} is too old; install Python 3.11 or newer, "
            "or run `make PYTHON=/path/to/python3.11 ...`"
        )
    for module in ("venv", "ensurepip"):
        if importlib.util.find_spec(module) is None:
            raise SetupError(
                f"Python at {sys.executable} lacks its module `{module}`; "
                "on Debian or Ubuntu: `apt-get install python3-venv`"
            )


def run_logged(command: list[str], *, log: Path) -> tuple[int, str]:
    """Exit status and output of a command; the output is added to the log too."""
    # PIP_USER=1 in somebody's shell makes every install into a virtual environment fail.
    environment = {**os.environ, "PIP_USER": "0", "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
    with log.open("a") as out:
        out.write(f"$ {' '.join(command)}\n")
        out.flush()
        start = out.tell()
        status = subprocess.run(
            command, stdin=subprocess.DEVNULL, stdout=out, stderr=out, env=environment, check=False
        ).returncode
    with log.open() as read:
        read.seek(start)
        return status, read.read()


def explain(output: str, *, log: Path, doing: str) -> SetupError:
    """The one line that a failed pip call comes to."""
    if any(sign in output for sign in NETWORK_SIGNS):
        return SetupError(
            f"no network while {doing}; set-up needs a package index once "
            f"(or PIP_INDEX_URL, PIP_FIND_LINKS); details in {log}"
        )
    if "No space left on device" in output:
        return SetupError(f"the disk is full while {doing}; 2 GB are needed in {ROOT}")
    errors = re.findall(r"^(?:ERROR|error): ?(.+)$", output, flags=re.MULTILINE)
    last = errors[-1] if errors else (output.strip().splitlines() or ["no output"])[-1]
    return SetupError(f"{doing} failed: {last.strip()}; details in {log}")


def torch_requirement() -> str:
    """The pin of torch, e.g. `torch==2.13.0+cpu`."""
    for line in RUNTIME_LOCK.read_text().splitlines():
        if line.startswith("torch=="):
            return line.split(";")[0].strip()
    raise SetupError(f"{RUNTIME_LOCK.name} does not pin torch; restore it with `git checkout`")


def install_torch(pip: list[str], *, log: Path) -> None:
    """From the configured index and find-links; where they lack that build, from PyTorch's."""
    torch = torch_requirement()
    status, first = run_logged([*pip, "--retries", "2", torch], log=log)
    if status == 0:
        return
    absent = any(sign in first for sign in (*ABSENT_SIGNS, *NETWORK_SIGNS))
    if not absent:
        raise explain(first, log=log, doing=f"installing {torch}")
    limit = ["--timeout", str(CONNECTION_LIMIT_S), "--retries", "0"]
    status, second = run_logged([*pip, "--index-url", TORCH_INDEX, *limit, torch], log=log)
    if status == 0:
        return
    if any(sign in second for sign in ABSENT_SIGNS):
        python = ".".join(str(part) for part in sys.version_info[:2])
        raise SetupError(
            f"no build of {torch} for Python {python} on the configured index or on {TORCH_INDEX}; "
            f"try another Python (`make PYTHON=python3.11 ...`); details in {log}"
        )
    raise explain(
        second, log=log, doing=f"installing {torch} (the index has none) from {TORCH_INDEX}"
    )


def clear_environment(venv: Path) -> None:
    """An environment with pip alone."""
    made = subprocess.run(
        [sys.executable, "-m", "venv", "--clear", str(venv)],
        capture_output=True,
        text=True,
        check=False,
    )
    if made.returncode != 0:
        detail = (made.stdout + made.stderr).strip().splitlines() or ["no output"]
        raise SetupError(
            f"cannot make {venv}: {detail[-1]}; on Debian: apt-get install python3-venv"
        )


def make_environment(venv: Path, *, runtime: bool) -> None:
    """A fresh environment with everything that the lock files name.

    torch is installed beside all the rest: pip has one process, and half of its time is unpacking.
    """
    clear_environment(venv)
    with ThreadPoolExecutor(1) as beside:
        rest = beside.submit(install_locks, venv, LOCKS[:1] if runtime else LOCKS)
        install_torch(_pip(venv), log=venv / "setup-torch.log")
        rest.result()


def install_locks(venv: Path, locks: Sequence[Path]) -> None:
    """What they name, but torch."""
    lines = [line for path in locks for line in path.read_text().splitlines()]
    listed, log = venv / "listed.lock", venv / "setup.log"
    listed.write_text("\n".join(line for line in lines if not line.startswith("torch==")))
    status, output = run_logged([*_pip(venv), "--retries", "2", "-r", str(listed)], log=log)
    if status != 0:
        raise explain(output, log=log, doing="installing the lock files")


def _pip(venv: Path) -> list[str]:
    # The lock is complete, so there is nothing to resolve; Python compiles what it imports, which
    # is a tenth of what is installed.
    return [str(venv / "bin" / "python"), "-m", "pip", "install", "--no-deps", "--no-compile"]


def install_project(venv: Path) -> None:
    """The project itself, editable, with the setuptools of the lock."""
    pip = [str(venv / "bin" / "python"), "-m", "pip", "install", "--no-deps", "--no-index"]
    log = venv / "setup.log"
    status, output = run_logged([*pip, "--no-build-isolation", "-e", str(ROOT)], log=log)
    if status != 0:
        raise explain(output, log=log, doing="installing the project")


def steps(present: Stamp, *, runtime: bool) -> tuple[Stamp, tuple[str, ...]]:
    """The stamp to reach from the present one, and what that takes, in order."""
    wanted = wanted_stamp()
    is_base = all(present.get(key) == wanted[key] for key in ("lock", "python", "folder"))
    if runtime:
        wanted["dev"] = present["dev"] if is_base else NOT_INSTALLED
    if not is_base or present["dev"] not in (NOT_INSTALLED, wanted["dev"]):
        return wanted, ("environment", "project")
    return wanted, tuple(key for key in ("dev", "project") if present[key] != wanted[key])


def set_up(venv: Path, *, runtime: bool = False) -> None:
    """Bring the environment up to date; a second set-up at the same time waits for the first.

    runtime: what only tests and checks need may be missing.
    """
    if not steps(read_stamp(venv), runtime=runtime)[1]:
        return
    check_python()
    with Path(__file__).open() as own:
        fcntl.flock(own, fcntl.LOCK_EX)
        wanted, todo = steps(read_stamp(venv), runtime=runtime)
        started = time.monotonic()
        if "environment" in todo:
            print(f"set-up: making {venv} (about a minute; log in {venv}/setup.log)", flush=True)
            make_environment(venv, runtime=runtime)
        if "dev" in todo:
            print("set-up: adding what tests and checks need", flush=True)
            install_locks(venv, [DEV_LOCK])
        if "project" in todo:
            install_project(venv)
        if todo:
            write_stamp(venv, wanted)
            print(f"set-up: done in {time.monotonic() - started:.0f} s", flush=True)


def parser(*, about: str, venv: Path) -> argparse.ArgumentParser:
    """Of the command line of a set-up."""
    made = argparse.ArgumentParser(description=about)
    made.add_argument("--venv", type=lambda text: Path(text).absolute(), default=venv)
    return made


def run(set_up: Callable[[], None], *, name: str) -> int:
    """The exit code of a set-up, with one line on stderr where it failed."""
    try:
        set_up()
    except SetupError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except OSError as error:
        print(f"error: {name}: {error.strerror}: {error.filename}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(f"error: {name} interrupted; run it again", file=sys.stderr)
        return 130
    return 0


def main() -> int:
    options = parser(about="Make the project's virtual environment.", venv=ROOT / ".venv")
    options.add_argument("--runtime", action="store_true", help="without what only tests need")
    chosen = options.parse_args()
    return run(lambda: set_up(chosen.venv, runtime=chosen.runtime), name="set-up")


if __name__ == "__main__":
    sys.exit(main())
