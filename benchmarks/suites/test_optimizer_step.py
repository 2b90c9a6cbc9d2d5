"""What a fused step of AdamW saves on a text network: sides alternate in one process.

pytest -s benchmarks/suites/test_optimizer_step.py
DISTIL_COST_RESULTS=FILE appends the ratio, with its interval and the CPU model, as a line of JSON.
The weights are those of the glosses' student: two layers of MiniLM and 21,453 tokens.
"""

from __future__ import annotations

import os
import statistics
import time
from pathlib import Path

import torch

from benchmarks.environment import machine_fingerprint
from benchmarks.evidence.lines import append_line
from benchmarks.stats import order_interval
from compress.distill.optimizer import make_optimizer
from compress.students.text.encoder import Encoder, EncoderConfig

CONFIG = EncoderConfig(vocabulary=21_453, width=384, layers=2, heads=12, inner=1536)
BLOCKS = int(os.environ.get("DISTIL_COST_BLOCKS", "9"))
NAME = "fused / plain step of AdamW"
STEPS = 3  # of one block of one side
RATE = 1e-3


def test_a_fused_step_takes_part_of_a_plain_one_and_does_the_same() -> None:
    sides = {}
    for name in ("fused", "plain"):
        torch.manual_seed(0)
        network = Encoder(CONFIG)
        for parameter in network.parameters():
            parameter.grad = torch.randn_like(parameter)
        ours = make_optimizer(network, learning_rate=RATE, weight_decay=0.01, name="adamw")
        groups = [{key: g[key] for key in ("params", "weight_decay")} for g in ours.param_groups]
        plain = torch.optim.AdamW(groups, lr=RATE)
        sides[name] = (network, ours if name == "fused" else plain)
    times: dict[str, list[float]] = {name: [] for name in sides}
    for block in range(BLOCKS + 1):  # the first one makes the moments
        for name in sorted(sides, reverse=bool(block % 2)):
            began = time.perf_counter()
            for _ in range(STEPS):
                sides[name][1].step()
            if block:
                times[name].append((time.perf_counter() - began) / STEPS)
    ratios = [a / b for a, b in zip(times["fused"], times["plain"], strict=True)]
    interval = order_interval(ratios)
    assert interval is not None, "DISTIL_COST_BLOCKS is below six: too few for an interval"
    low, high, held = interval
    middle = statistics.median(ratios)
    shown = ", ".join(f"{name} {1e3 * statistics.median(t):.1f} ms" for name, t in times.items())
    print(f"\n{NAME}: {middle:.3f} ({100 * held:.1f} % interval {low:.3f} to {high:.3f}); {shown}")
    if results := os.environ.get("DISTIL_COST_RESULTS"):
        line = {
            "ratio_of": NAME,
            "ratio": middle,
            "low": low,
            "high": high,
            "pairs": len(ratios),
            "ms": {name: round(1e3 * statistics.median(t), 2) for name, t in times.items()},
            "machine": dict(machine_fingerprint()),
        }
        append_line(Path(results), line)
    weights = [dict(network.named_parameters()) for network, _ in sides.values()]
    for name, own in weights[0].items():
        torch.testing.assert_close(own, weights[1][name], rtol=1e-4, atol=1e-6)
