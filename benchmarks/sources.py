"""What can be timed: an ONNX file, or a torch module that a function builds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from exporters.values import TensorSpec


class Source(Protocol):
    """What both have: a name for messages, a digest, a size, and what is fed."""

    @property
    def path(self) -> Path: ...
    @property
    def digest(self) -> str: ...
    @property
    def size_bytes(self) -> int: ...
    @property
    def inputs(self) -> tuple[TensorSpec, ...]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class TorchSource:
    """A torch module. loader: "package.module:function", called with `arguments` in the timed
    process; it returns the module with its weights. inputs: in the order of forward's arguments.
    """

    path: Path  # for messages: "model.py:teacher"
    loader: str
    arguments: Mapping[str, str] = field(default_factory=dict)
    inputs: tuple[TensorSpec, ...]
    digest: str  # of code and weights; the same for the compiled module
    size_bytes: int  # of parameters and buffers
    compiled: bool = False
