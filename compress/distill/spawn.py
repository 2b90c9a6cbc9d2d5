"""Becomes `accelerate launch` for a job of several processes, tied to the life of its parent.

Run as a file: python -P spawn.py PARENT_PID PROCESSES JOB SPEC. The tie survives the exec.
"""

from __future__ import annotations

import os
import sys

from compress.distill.lifeline import end_with_parent


def main(parent_pid: int, processes: int, job: str, spec: str) -> None:
    """Replace this process by the launcher; does not return."""
    end_with_parent(parent_pid)
    command = [
        *(sys.executable, "-P", "-m", "accelerate.commands.launch"),
        *("--cpu", "--num_machines", "1", "--mixed_precision", "no", "--dynamo_backend", "no"),
        *("--num_processes", str(processes), "--main_process_port", "0"),
        *(job, spec),
    ]
    os.execv(sys.executable, command)


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3], sys.argv[4])
