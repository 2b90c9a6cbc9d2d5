"""What files are fed while they are timed: real samples of validation."""

from __future__ import annotations

from benchmarks.feeds import Inputs
from compress.pipeline.context import Context


def timed_inputs(context: Context, samples: int) -> Inputs:
    """Validation samples as the networks take them; where there is one input, under any name."""
    feeds = context.task.collate(context.task.validation.inputs[:samples])
    return feeds if len(feeds) > 1 else next(iter(feeds.values()))
