"""Values that `exporters` makes. Sizes in bytes, digests are hexadecimal SHA-256."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class TensorSpec:
    """A graph input or output. shape: an int, a symbol, or None where the file leaves it open."""

    name: str
    dtype: str
    shape: tuple[int | str | None, ...]


def shape_fits(wanted: Sequence[int | str | None], shape: Sequence[int]) -> bool:
    """Whether an array of this shape is what a TensorSpec's shape asks for, or a part of one."""
    return len(wanted) == len(shape) and all(
        not isinstance(size, int) or size == found
        for size, found in zip(wanted, shape, strict=True)
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class OnnxArtifact:
    """A checked ONNX file. size_bytes and digest cover its external data too."""

    path: Path
    digest: str
    size_bytes: int
    opset: int
    ir_version: int
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    precision: str  # float32, float16, bfloat16, int8 or mixed, read from the file
    parameters: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Parity:
    """How closely an ONNX file follows its reference, over real samples and several batches."""

    samples: int
    batches: tuple[int, ...]
    max_abs_diff: float
    top1_agreement: float  # in [0, 1]; 1.0 for outputs that are not class scores
    atol: float
    rtol: float
    passed: bool
