"""What operators of ONNX are given: tensors, some of them absent, and attributes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from torch import Tensor

from compress.errors import DistilError

Given = Sequence[Tensor | None]
Attributes = Mapping[str, Any]
Operator = Callable[[Given, Attributes], Tensor | tuple[Tensor, ...]]


def the(value: Tensor | None) -> Tensor:
    """One that ONNX demands: the checker saw to it."""
    assert value is not None
    return value


def optional(given: Given, place: int) -> Tensor | None:
    """None where it is absent."""
    return given[place] if place < len(given) else None


def refused(what: str) -> DistilError:
    """For what has no form that can be trained."""
    return DistilError(
        f"its rounding can't be trained: {what}",
        where="quantize",
        cure="write `quantize: {kind: static}`, which trains nothing",
    )
