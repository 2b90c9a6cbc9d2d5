"""Peak anonymous memory of calibration at 128 and 8,192 samples, by method: one line of JSON each.

    python -m benchmarks.evidence.calibration_memory [--most 8192] [--results FILE]

Each point is a fresh process, whose RssAnon is read 200 times a second while it calibrates a small
residual network on images that are made as they are read.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.environment import read_environment
from benchmarks.evidence.lines import append_line, read_lines
from compress.quantize.ranges import METHODS, Method

RESULTS = Path(__file__).resolve().parents[2] / "docs" / "results" / "calibration-memory.jsonl"
FEWEST, BATCH = 128, 32


class Images:
    """Made anew by each iteration: nothing is kept."""

    def __init__(self, count: int) -> None:
        self.count = count

    def __iter__(self) -> Iterator[NDArray[np.float32]]:
        rng = np.random.default_rng(0)
        for _ in range(self.count // BATCH):
            yield rng.random((BATCH, 1, 28, 28), dtype=np.float32)


def point(method: Method, samples: int) -> dict[str, float]:
    """Peak growth of RssAnon over what the process holds before, in bytes, and the time."""
    import torch
    from torch import nn

    from compress.quantize.static import quantize_static
    from exporters.export import export

    torch.manual_seed(0)
    network = nn.Sequential(
        nn.Conv2d(1, 32, 3, padding=1), nn.ReLU(),
        nn.Conv2d(32, 64, 3, stride=2, padding=1), nn.ReLU(),
        nn.Conv2d(64, 64, 3, padding=1), nn.ReLU(),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 10),
    )  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        source = export(network, torch.rand(2, 1, 28, 28), path=Path(folder) / "float.onnx")
        flags = read_environment().cpu_flags
        before, peak, done = _anonymous(), [0], threading.Event()

        def watch() -> None:
            while not done.wait(0.005):
                peak[0] = max(peak[0], _anonymous())

        watcher = threading.Thread(target=watch)
        watcher.start()
        begun = time.monotonic()
        quantize_static(
            source,
            path=Path(folder) / "int8.onnx",
            calibration=Images(samples),
            cpu_flags=flags,
            method=method,
        )
        done.set()
        watcher.join()
    return {"peak_bytes": peak[0] - before, "seconds": time.monotonic() - begun}


def _anonymous() -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("RssAnon:"):
            return int(line.split()[1]) * 1024
    return 0


def main() -> None:
    """Run the points that the results lack."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--most", type=int, default=8192)
    parser.add_argument("--results", type=Path, default=RESULTS)
    parser.add_argument("--point", nargs=2, help="a method and a number of samples, in a child")
    options = parser.parse_args()
    if options.point:
        sys.stdout.write(json.dumps(point(options.point[0], int(options.point[1]))) + "\n")
        return
    done = {line["method"] for line in read_lines(options.results)}
    for method in METHODS:
        if method in done:
            continue
        found = {}
        for samples in (FEWEST, options.most):
            command = [sys.executable, "-m", "benchmarks.evidence.calibration_memory"]
            child = subprocess.run(
                [*command, "--point", method, str(samples)],
                check=True, capture_output=True, text=True,
            )  # fmt: skip
            found[samples] = json.loads(child.stdout.splitlines()[-1])
        few, many = found[FEWEST]["peak_bytes"], found[options.most]["peak_bytes"]
        line = {
            "method": method,
            "cpu_model": read_environment().cpu_model,
            "load": os.getloadavg()[0],
            "points": {str(samples): numbers for samples, numbers in found.items()},
            "growth_bytes": many - few,
            "met": many - few <= 50_000_000,
        }
        append_line(options.results, line)


if __name__ == "__main__":
    main()
