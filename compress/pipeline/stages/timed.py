"""What files are fed while they are timed: real samples of validation."""

from __future__ import annotations

from benchmarks.feeds import Inputs
from compress.pipeline.context import Context
from compress.tasks.tokens import collate_tokens


def shipped_inputs(context: Context, samples: int) -> Inputs:
    """Validation samples as the shipped files take them: raw where preprocessing is inside."""
    if context.recipe.export.preprocess == "inside":
        return context.task.validation.inputs[:samples]
    return timed_inputs(context, samples)


def timed_inputs(context: Context, samples: int) -> Inputs:
    """Validation samples as the networks take them; where there is one input, under any name.

    Texts are cut or padded to bench.tokens, else padded to the longest among them.
    """
    task, tokens = context.task, context.recipe.bench.tokens
    rows = task.validation.inputs[:samples]
    if task.padding is not None and tokens is not None:
        return collate_tokens(rows, padding=task.padding, tokens=tokens)
    feeds = task.collate(rows)
    return feeds if len(feeds) > 1 else next(iter(feeds.values()))
