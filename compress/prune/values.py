"""What a trace finds, and what pruning gives."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from torch import Tensor, nn

from compress.prune.labels import Labels
from compress.prune.plan import Plan
from compress.prune.program import Step


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """One product: macs = factor times the kept channels along each of `axes`, over `groups`."""

    factor: float  # of one sample
    axes: tuple[Tensor, ...]  # labels; the channels that are counted
    groups: tuple[Tensor, ...] = ()  # labels by group of a grouped convolution: what divides


@dataclass(frozen=True, slots=True, kw_only=True)
class WrittenSize:
    """A tensor whose sizes a module's own code may hold as numbers. labels: 1 where they agree;
    step, result: the place of the operation in the pass, and which of its results it is."""

    module: str
    step: int
    result: int
    shape: tuple[int, ...]
    labels: Tensor


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupCount:
    """How many groups a layer has; those go whole. labels: (groups, channels of each)."""

    module: str
    attribute: str
    labels: Tensor


@dataclass(frozen=True, slots=True, kw_only=True)
class NormSize:
    """What a norm without tensors of its own holds: the sizes of its result along `axes`."""

    attribute: str
    written: WrittenSize
    axes: tuple[int, ...]


@dataclass(slots=True, kw_only=True)
class Traced:
    """axes: parameter or buffer -> axis -> labels. widths: the outputs of layers that may go."""

    known: Labels = field(default_factory=Labels)
    axes: dict[str, dict[int, Tensor]] = field(default_factory=dict)
    elements: dict[str, Tensor] = field(default_factory=dict)
    widths: list[tuple[str, int]] = field(default_factory=list)
    costs: list[Cost] = field(default_factory=list)
    sizes: list[WrittenSize] = field(default_factory=list)
    norms: list[NormSize] = field(default_factory=list)
    steps: list[Step] = field(default_factory=list)
    groups: list[GroupCount] = field(default_factory=list)
    shapes: dict[str, tuple[int, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pruned:
    """A smaller network that inherits weights. macs: of one sample of the example."""

    module: nn.Module
    plan: Plan
    macs_before: int
    macs: int
    parameters_before: int
    parameters: int
    kept: Mapping[str, tuple[int, int]]  # layer -> outputs kept, of how many
    notes: tuple[str, ...] = ()  # what could not be pruned, and by which operator
