"""Whether mixed precision pays on this machine: a short trial, alternating both in one process."""

from __future__ import annotations

import copy
import statistics
import time
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import nn

from compress.distill.feed import TrainingFeed
from compress.distill.layout import channels_last
from compress.distill.objective import Objective
from compress.values import Decision

TIMED_STEPS = 8
WARM_UP_STEPS = 2
WORTH_IT = 0.95  # bfloat16 must take less than this part of the time of float32


def try_precisions(
    model: nn.Module,
    *,
    feed: TrainingFeed,
    objective: Objective,
    clock_s: Callable[[], float] = time.perf_counter,
) -> Mapping[str, float]:
    """Median seconds of a training step in float32 and in bfloat16. `model` is left untouched."""
    batch = next(feed.batches(0))
    sides = {}
    for precision in ("float32", "bfloat16"):
        side = channels_last(copy.deepcopy(model)).train()
        sides[precision] = (side, torch.optim.SGD(side.parameters(), lr=1e-3, momentum=0.9))
    seconds: dict[str, list[float]] = {name: [] for name in sides}
    for index in range(WARM_UP_STEPS + TIMED_STEPS):
        for name, (side, optimizer) in sides.items():
            started = clock_s()
            with torch.autocast("cpu", torch.bfloat16, enabled=name == "bfloat16"):
                scores = side(*batch.inputs)
            torch.autograd.backward(objective(scores, batch.target, batch.teacher))
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
            if index >= WARM_UP_STEPS:
                seconds[name].append(clock_s() - started)
    return {name: statistics.median(values) for name, values in seconds.items()}


def choose_precision(seconds: Mapping[str, float]) -> Decision:
    """The faster one; float32 unless bfloat16 clearly wins."""
    ratio = seconds["bfloat16"] / seconds["float32"]
    evidence: dict[str, Any] = {f"{name}_step_s": value for name, value in seconds.items()}
    chosen = "bfloat16" if ratio < WORTH_IT else "float32"
    word = "faster" if ratio < 1 else "slower"
    speed = 1 / ratio if ratio < 1 else ratio
    return Decision(
        question="precision",
        chosen=chosen,
        reason=f"a training step in bfloat16 is {speed:.2f}x {word} than in float32 here",
        evidence=evidence,
    )
