"""What of a search's time is kept for other things, by a run of the Fashion-MNIST demo on 2 cores.

The numbers are in seconds; on a machine that is half as fast they are too small, and the time on
top of the stated one takes that up.
"""

from __future__ import annotations

from collections.abc import Collection

from compress.pipeline.context import Context
from compress.pipeline.limits import Cell
from compress.pipeline.stages.confirming import EPOCHS
from compress.pipeline.stages.teacher import has_file
from compress.recipe.nodes import NoQuantize

_REPORT_S = 6.0
_STORING_S = 6.0  # of export and quantization
_CHOICE_S = 14.0  # of timing the stored file beside the float one, per batch
_EPOCH_S = 1.4  # of measuring, per file and setting of threads
_LOOKING = 0.03  # of the time, for one look at the winner by fresh processes
_SAMPLE_S = 0.006  # per validation sample: ledger, slices, the judge's own split


def after_seconds(context: Context) -> float:
    """Of measuring, judging and reporting, which come after the search."""
    bench, controls = context.recipe.bench, context.controls
    files = 1 + has_file(context) + controls.labels_only + controls.teacher_quantized
    measured = bench.epochs * len(bench.threads) * len(bench.devices) * files * _EPOCH_S
    return _REPORT_S + measured + _SAMPLE_S * len(context.task.validation)


def finish_seconds(context: Context) -> float:
    """Of what each training in full needs besides: its file, stored and chosen or not."""
    stored = not isinstance(context.recipe.quantize, NoQuantize)
    return _STORING_S + stored * _CHOICE_S * len(context.recipe.bench.batch)


def has_time_to_look_again(context: Context, cells: Collection[Cell], *, seconds: float) -> bool:
    """Whether a look at the winner by fresh processes is a small part of a search's time."""
    groups = len({cell[:2] for cell in cells})
    files = 1 + has_file(context)
    return EPOCHS * groups * files * _EPOCH_S <= _LOOKING * seconds
