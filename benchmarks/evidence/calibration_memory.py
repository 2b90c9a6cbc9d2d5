"""Peak anonymous memory of calibration at 128 and 8,192 samples: a line per network and method.

    python -m benchmarks.evidence.calibration_memory [--most 8192] [--results FILE]

Each point is a fresh process, whose RssAnon is read 200 times a second while it calibrates a small
network of convolutions, or a small BERT of 2 layers on 128 tokens, on samples that are made as they
are read.
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
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.environment import read_environment
from benchmarks.evidence.lines import Row, append_line, read_lines
from compress.quantize.ranges import METHODS, Method

if TYPE_CHECKING:  # children alone import torch
    from torch import Tensor
    from torch.nn import Module

RESULTS = Path(__file__).resolve().parents[2] / "docs" / "results" / "calibration-memory.jsonl"
FEWEST, BATCH = 128, 32
WORDS, TOKENS = 2000, 128


@dataclass(frozen=True, slots=True)
class Made:
    """Batches made anew by each iteration: nothing is kept."""

    batch: Callable[[np.random.Generator], NDArray[Any]]
    samples: int

    def __iter__(self) -> Iterator[NDArray[Any]]:
        rng = np.random.default_rng(0)
        for _ in range(self.samples // BATCH):
            yield self.batch(rng)


def images(rng: np.random.Generator) -> NDArray[Any]:
    """What `convolutions` takes."""
    return rng.random((BATCH, 1, 28, 28), dtype=np.float32)


def convolutions() -> Module:
    """Three of them, and a class."""
    from torch import nn

    return nn.Sequential(
        nn.Conv2d(1, 32, 3, padding=1), nn.ReLU(),
        nn.Conv2d(32, 64, 3, stride=2, padding=1), nn.ReLU(),
        nn.Conv2d(64, 64, 3, padding=1), nn.ReLU(),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 10),
    )  # fmt: skip


def texts(rng: np.random.Generator) -> NDArray[Any]:
    """What `bert` takes."""
    return rng.integers(0, WORDS, (BATCH, TOKENS))


def bert() -> Module:
    """Two layers, 128 wide, with a class."""
    from torch import nn
    from transformers import BertConfig, BertForSequenceClassification

    class Scores(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            config = BertConfig(
                vocab_size=WORDS, hidden_size=128, num_hidden_layers=2, num_attention_heads=4,
                intermediate_size=512,
            )  # fmt: skip
            self.network = BertForSequenceClassification(config)

        def forward(self, tokens: Tensor) -> Tensor:
            scores: Tensor = self.network(tokens).logits
            return scores

    return Scores().eval()


NETWORKS = {"convolutions": (convolutions, images), "bert": (bert, texts)}


def point(network: str, method: Method, samples: int) -> dict[str, float]:
    """Peak growth of RssAnon over what the process holds before, in bytes, and the time."""
    import torch

    from compress.quantize.static import quantize_static
    from exporters.export import export

    torch.manual_seed(0)
    build, batch = NETWORKS[network]
    example = torch.from_numpy(batch(np.random.default_rng(1))[:2])
    with tempfile.TemporaryDirectory() as folder:
        source = export(build(), example, path=Path(folder) / "float.onnx")
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
            calibration=Made(batch, samples),
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
    parser.add_argument("--point", nargs=3, help="network, method and samples, in a child")
    options = parser.parse_args()
    if options.point:
        network, method, samples = options.point
        sys.stdout.write(json.dumps(point(network, method, int(samples))) + "\n")
        return
    done = {(line["network"], line["method"]) for line in read_lines(options.results)}
    for network in NETWORKS:
        for method in METHODS:
            if (network, method) not in done:
                append_line(options.results, _unit(network, method, options.most))


def _unit(network: str, method: Method, most: int) -> Row:
    found = {}
    for samples in (FEWEST, most):
        command = [sys.executable, "-m", "benchmarks.evidence.calibration_memory"]
        child = subprocess.run(
            [*command, "--point", network, method, str(samples)],
            check=True, capture_output=True, text=True,
        )  # fmt: skip
        found[samples] = json.loads(child.stdout.splitlines()[-1])
    growth = found[most]["peak_bytes"] - found[FEWEST]["peak_bytes"]
    return {
        "network": network,
        "method": method,
        "cpu_model": read_environment().cpu_model,
        "load": os.getloadavg()[0],
        "points": {str(samples): numbers for samples, numbers in found.items()},
        "growth_bytes": growth,
        "met": growth <= 50_000_000,
    }


if __name__ == "__main__":
    main()
