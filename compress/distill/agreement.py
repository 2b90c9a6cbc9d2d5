"""What all processes of a training must decide alike: one that goes on alone waits for ever."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreed:
    """loss: mean over all processes; stop: whether any of them was asked to stop."""

    loss: float
    stop: bool


def agree(accelerator: Any, *, loss: float = 0.0, stop: bool) -> Agreed:
    """All processes record the same loss and stop at the same step, whoever got the signal."""
    if accelerator.num_processes == 1:
        return Agreed(loss=loss, stop=stop)
    said = torch.tensor([loss, float(stop)], dtype=torch.float32).to(accelerator.device)
    mean, stops = accelerator.reduce(said, reduction="mean").tolist()
    return Agreed(loss=mean, stop=stops > 0)


def as_main(accelerator: Any, found: tuple[float, float]) -> tuple[float, float]:
    """What the main process found: BatchNorm statistics, and so validation, differ between them."""
    if accelerator.num_processes == 1:
        return found
    from accelerate.utils import broadcast

    said = torch.tensor(found, dtype=torch.float64).to(accelerator.device)
    first, second = broadcast(said, from_process=0).tolist()
    return first, second
