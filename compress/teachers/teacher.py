"""What a teacher is to the rest of the program: something that answers, in eval mode for ever."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from torch import nn

Answer = Callable[..., NDArray[np.float32]]  # of one tensor per input of the task
Gives = Literal["logits", "top-k", "labels"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Teacher:
    """answer: (batch, ...) tensors, one per input -> (batch, classes) logits, per sample and pure.

    module, onnx_path: what it can be exported from or is; both None for a black box. by_id is
    there for stored outputs alone, which have no answer to an input: (n,) sample ids -> logits,
    where `gives` says how much of them was stored. classes: their names in its order, where it
    knows them. input_shape, scale, tokenizer: what it was made for, where it knows that. members:
    of several as one, each with its weight; then compress.teachers.outputs asks each in its way.
    """

    name: str
    digest: str
    answer: Answer
    module: nn.Module | None
    onnx_path: Path | None
    by_id: Callable[[NDArray[np.int64]], NDArray[np.float32]] | None = None
    gives: Gives = "logits"
    classes: tuple[str, ...] | None = None
    input_shape: tuple[int, ...] | None = None  # of one sample
    scale: float | None = None
    tokenizer: str | None = None  # the text of its tokenizer.json
    members: tuple[tuple[Teacher, float], ...] = ()
