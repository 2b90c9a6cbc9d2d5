"""Make `.venv-gpu` from the lock files, with CUDA builds of torch and onnxruntime.

A separate environment: the CPU and GPU builds of onnxruntime overwrite each other's files.
"""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path

from setup_env import (
    LOCKS,
    ROOT,
    Stamp,
    check_python,
    clear_environment,
    explain,
    install_project,
    parser,
    read_stamp,
    run,
    run_logged,
    wanted_stamp,
    write_stamp,
)

GPU_LOCK = ROOT / "requirements-gpu.lock"
REPLACED = ("torch", "onnxruntime")  # of requirements.lock


def merged_lock() -> str:
    """Every line of the common locks but those replaced, then those of the GPU."""
    kept = [
        line
        for path in LOCKS
        for line in path.read_text().splitlines()
        if line.split("==")[0].strip() not in REPLACED
    ]
    return "\n".join([*kept, GPU_LOCK.read_text()])


def gpu_stamp() -> Stamp:
    """What the environment must have been made from."""
    lock = hashlib.sha256(merged_lock().encode()).hexdigest()
    return {**wanted_stamp(), "lock": lock}


def set_up(venv: Path) -> None:
    """Bring the environment up to date."""
    wanted = gpu_stamp()
    if read_stamp(venv) == wanted:
        return
    check_python()
    print(f"gpu-env: making {venv} (several GB; log in {venv}/setup.log)", flush=True)
    clear_environment(venv)
    log, lock = venv / "setup.log", venv / "merged.lock"
    lock.write_text(merged_lock())
    pip = [str(venv / "bin" / "python"), "-m", "pip", "install", "--no-deps", "--no-compile"]
    status, output = run_logged([*pip, "--retries", "2", "-r", str(lock)], log=log)
    if status != 0:
        raise explain(output, log=log, doing="installing the lock files for a GPU")
    install_project(venv)
    write_stamp(venv, wanted)
    print("gpu-env: done; use .venv-gpu/bin/distil, and `make gpu-check`", flush=True)


def main() -> int:
    options = parser(about="Make the environment for a GPU.", venv=ROOT / ".venv-gpu")
    chosen = options.parse_args()
    return run(lambda: set_up(chosen.venv), name="gpu-env")


if __name__ == "__main__":
    sys.exit(main())
