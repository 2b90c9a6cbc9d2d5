"""Whether mixed precision pays on this machine: a short trial, alternating both in one process."""

from __future__ import annotations

import copy
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import nn

from compress.distill.evaluate import moved
from compress.distill.feed import TrainingFeed
from compress.distill.layout import channels_last
from compress.distill.objective import Objective
from compress.values import Decision

TIMED_STEPS = 8
WARM_UP_STEPS = 2
WORTH_IT = 0.95  # a smaller format must take less than this part of the time
HOPELESS = 3.0  # so many times as slow in a warm-up step: its ten steps would take 10 s, not 1


def try_precisions(
    model: nn.Module,
    *,
    feed: TrainingFeed,
    objective: Objective,
    device: str = "cpu",
    clock_s: Callable[[], float] = time.perf_counter,
) -> Mapping[str, float]:
    """Median seconds of a training step by precision. `model` is left untouched.

    float16 on CUDA alone: on a CPU no gradient scaler stands by, and a step of it took minutes
    where a step of float32 takes a tenth of a second.
    """
    batch = next(feed.batches(0))
    inputs, target = moved(batch.inputs, torch.device(device)), batch.target.to(device)
    teacher = None if batch.teacher is None else batch.teacher.to(device)
    sides = {}
    for precision in tried_on(device):
        side = channels_last(copy.deepcopy(model).to(device)).train()
        sides[precision] = (side, torch.optim.SGD(side.parameters(), lr=1e-3, momentum=0.9))

    def step_s(name: str) -> float:
        side, optimizer = sides[name]
        started = clock_s()
        kind = getattr(torch, name)
        with torch.autocast(device, kind, enabled=name != "float32"):
            scores = side(*inputs)
        torch.autograd.backward(objective(scores, target, teacher))
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        if device == "cuda":
            torch.cuda.synchronize()
        return clock_s() - started

    return median_steps(tuple(sides), step_s)


def median_steps(names: Sequence[str], step_s: Callable[[str], float]) -> Mapping[str, float]:
    """Median seconds of a step by name, steps alternating. One that is hopeless beside the
    first when both are warm is not timed further: that step is its answer."""
    for _ in range(WARM_UP_STEPS):
        warm = {name: step_s(name) for name in names}
    out = {name: took for name, took in warm.items() if took > HOPELESS * warm[names[0]]}
    seconds: dict[str, list[float]] = {name: [] for name in names if name not in out}
    for _ in range(TIMED_STEPS):
        for name, values in seconds.items():
            values.append(step_s(name))
    found = out | {name: statistics.median(values) for name, values in seconds.items()}
    return {name: found[name] for name in names}


def tried_on(device: str) -> tuple[str, ...]:
    """The precisions that can be trained in on a device."""
    return ("float32", "bfloat16", "float16") if device == "cuda" else ("float32", "bfloat16")


def choose_precision(seconds: Mapping[str, float]) -> Decision:
    """The fastest; float32 unless half precision clearly wins, bfloat16 unless float16 does."""
    chosen = "float32"
    for name in ("bfloat16", "float16"):
        if name in seconds and seconds[name] < WORTH_IT * seconds[chosen]:
            chosen = name
    evidence: dict[str, Any] = {f"{name}_step_s": value for name, value in seconds.items()}
    if "float16" not in seconds:
        evidence["float16"] = "not tried: it trains on CUDA alone"
    ratio = seconds["bfloat16"] / seconds["float32"]
    word = "faster" if ratio < 1 else "slower"
    speed = 1 / ratio if ratio < 1 else ratio
    reason = f"a training step in bfloat16 is {speed:.2f}x {word} than in float32 here"
    if chosen == "float16":
        gain = seconds["bfloat16"] / seconds["float16"]
        reason += f", and one in float16 {gain:.2f}x faster than that"
    return Decision(question="precision", chosen=chosen, reason=reason, evidence=evidence)
