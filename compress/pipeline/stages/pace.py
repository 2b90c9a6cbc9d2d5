"""What an epoch of a candidate takes: by a few of its steps, or by a short training."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from typing import Any

import torch

from compress.distill.evaluate import moved
from compress.distill.layout import channels_last
from compress.pipeline.context import Context
from compress.pipeline.stages.untrained import untrained
from compress.tasks.views import as_inputs

STEPS, MOST_S = 4, 4.0  # the first warms up; no further one starts after so many seconds
SLOWER = 1.1  # a long training than the longest epoch of a short one


def epoch_seconds(context: Context) -> float:
    """Of forward and backward passes of the recipe's student in float32 on its device. What else an
    epoch takes is not in it: optimizer, data, teacher; NaN where the network takes no batch."""
    node, task = context.recipe.distill, context.task
    device = torch.device(node.device)
    module = channels_last(untrained(context).to(device)).train()
    inputs = moved(as_inputs(task, task.train.inputs[: node.batch]), device)
    threads = torch.get_num_threads()
    torch.set_num_threads(context.threads)
    began, took = time.monotonic(), list[float]()
    try:
        while len(took) < STEPS and time.monotonic() - began < MOST_S:
            at = time.perf_counter()
            torch.autograd.backward(module(*inputs).square().mean())
            module.zero_grad(set_to_none=True)
            if device.type == "cuda":
                torch.cuda.synchronize()
            took.append(time.perf_counter() - at)
    except RuntimeError:  # its pilot says what is wrong
        return math.nan
    finally:
        torch.set_num_threads(threads)
    return math.ceil(len(task.train) / node.batch) * min(took[1:] or took)


def longest_epoch(epochs: Sequence[Mapping[str, Any]], *, seconds: float) -> float:
    """What an epoch of a training in full takes at most, by the record of a short one: its steps
    and looking at validation, and never more than its share of all seconds of the short one."""
    longest: float = max(one["seconds"] + one.get("judged_s", 0.0) for one in epochs)
    return min(SLOWER * longest, seconds / len(epochs))
