"""Run benchmarks/suites, keep the result, and compare it with the run before. Standard library.

Results lie in .benchmarks/, one JSON file per run, named by number and commit; pytest-benchmark
keeps a folder per kind of machine, so that runs of two machines are never compared.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
STORE = ROOT / ".benchmarks"


def command(extra: list[str]) -> list[str]:
    """The pytest call. Without an earlier run there is nothing to compare with, which is fine."""
    pytest = [sys.executable, "-m", "pytest", "benchmarks/suites", "-q", "-p", "no:randomly"]
    # A warning of pytest-benchmark (another machine, nothing to compare) is no failure here.
    options = ["-W", "default", "--benchmark-autosave", "--benchmark-storage", f"file://{STORE}"]
    if any(STORE.glob("*/*.json")):
        options.append("--benchmark-compare")
    columns = "--benchmark-columns=min,median,iqr,rounds"
    return [*pytest, *options, columns, "--benchmark-sort=fullname", *extra]


if __name__ == "__main__":
    sys.exit(subprocess.run(command(sys.argv[1:]), cwd=ROOT, check=False).returncode)
