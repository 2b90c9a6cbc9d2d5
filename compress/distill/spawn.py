"""Becomes torch's launcher for a job of several processes, tied to the life of its parent.

Run as a file: python -P spawn.py PARENT_PID PROCESSES JOB SPEC. The tie survives the exec. Not
`accelerate launch`, which starts one process where there is no GPU and no MPI; the processes find
each other through accelerate all the same.
"""

from __future__ import annotations

import os
import sys

from compress.distill.lifeline import end_with_parent


def main(parent_pid: int, processes: int, job: str, spec: str) -> None:
    """Replace this process by the launcher; does not return."""
    end_with_parent(parent_pid)
    command = [
        *(sys.executable, "-P", "-m", "torch.distributed.run"),
        *("--standalone", "--nproc_per_node", str(processes)),
        *(job, spec),
    ]
    os.execv(sys.executable, command)


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3], sys.argv[4])
