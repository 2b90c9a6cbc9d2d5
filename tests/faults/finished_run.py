"""A finished run on disk, and the command that made it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from fault_commands import Ended

# Steps last 20 ms without work, so that a signal finds a training under way on any machine.
SLOW = """
import time
from project import Net

class Slow(Net):
    def forward(self, images):
        if self.training:
            time.sleep(0.02)
        return super().forward(images)

def student():
    return Slow(8)
"""
SETTINGS = (
    *("--set", "student.target=slow.py:student"),
    *("--set", "quantize={kind: none}"),
    *("--set", "decisions={precision: float32}"),
)


@dataclass(frozen=True)
class Good:
    """A finished run: the project, the run folder, the cache, the current folder of its command."""

    project: Path
    out: Path
    cache: Path
    cwd: Path
    ended: Ended

    def digests(self, out: Path | None = None) -> dict[str, str]:
        """SHA-256 of every published file of a run folder."""
        folder = out or self.out
        return {
            path.name: hashlib.sha256(path.read_bytes()).hexdigest()
            for path in sorted(folder.iterdir())
            if not path.name.startswith(".")
        }

    def arguments(self, *more: str | Path, out: Path | None = None) -> tuple[str | Path, ...]:
        """`run` as it was, into the same folder and cache; later --set win."""
        return (
            *("run", self.project / "recipe.yaml", "--out", out or self.out),
            *("--cache", self.cache, "--quiet", *SETTINGS, *more),
        )
