"""The job that trains the rounding of an int8 file: distill/job.py with another network."""

from __future__ import annotations

import sys
from pathlib import Path

from torch import nn

from compress.distill.job import JobSpec, main
from compress.distill.lifeline import leave
from compress.quantize.qat import trainable
from compress.tasks.data import Task
from exporters.artifact import open_artifact


def _network(spec: JobSpec, task: Task) -> nn.Module:
    assert spec.quantized is not None  # the stage that starts this job gives both
    assert spec.original is not None
    quantized, original = (open_artifact(Path(path)) for path in (spec.quantized, spec.original))
    return trainable(quantized, original=original)


if __name__ == "__main__":
    leave(main(sys.argv[1], _network))
