"""What a quantization gives: the file, what it keeps of the answers, and why."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from benchmarks.values import Comparison
from compress.quantize.fidelity import Fidelity
from exporters.values import OnnxArtifact

Scheme = Literal[
    "auto", "dynamic", "static", "row", "weight-only-int8", "weight-only-int4", "float16",
    "bfloat16",
]  # fmt: skip
SCHEMES: tuple[Scheme, ...] = (
    "auto", "dynamic", "static", "row", "weight-only-int8", "weight-only-int4", "float16",
    "bfloat16",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptFloat:
    """An operator with weights, or a product, that stayed in float. node: its weight, or output."""

    node: str
    operator: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Tried:
    """A candidate of `auto`. time_ms, float_ms: of one call, a first look in one process."""

    name: str
    size_bytes: int
    time_ms: float | None
    float_ms: float | None
    fidelity: Fidelity | None  # None: not looked at, a faster one was taken
    batch_changes: float | None
    outcome: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Quantized:
    """artifact: None when no candidate is acceptable; then reason says which was best and what it
    lacks. batch_changes: share of samples whose answer depends on batch mates; None: not asked.
    """

    artifact: OnnxArtifact | None
    source: OnnxArtifact
    scheme: str  # what was done, in words
    reason: str
    kept_float: tuple[KeptFloat, ...]
    fidelity: Fidelity | None
    comparison: Comparison | None
    batch_changes: float | None
    tried: tuple[Tried, ...]
