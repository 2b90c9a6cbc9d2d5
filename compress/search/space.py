"""What is searched: structures that grow by one width, and the schemes that they are stored in."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from compress.recipe.inherited_nodes import PrunedStudent, TruncatedStudent
from compress.recipe.student_nodes import FactoryStudent, Family
from compress.search.inherited import InheritedStructure

# Steps of at most a quarter, in blocks of 8: 17 channels take 1.8 times as long as 16 on AVX-512.
WIDTHS = (
    *(4, 8, 12, 16, 24, 32, 40, 48, 56, 64, 72, 80, 88, 96),
    *(112, 128, 144, 160, 176, 192, 224, 256, 288, 320, 384, 448, 512),
)
# torch 2.13 on a CPU crashes in the gradient of channels-last convolutions of 4 channels: goes when
# `ImageNet("residual", channels=1, widths=[4, 8, 16], stem=4, stride=2, ...)` can be trained.
IMAGE_WIDTHS = WIDTHS[1:]
HEADS = tuple(range(32, 513, 32))  # widths of an encoder: whole attention heads
STEM = 16
LARGE = 48  # pixels from which the first convolution halves the image
FLOAT = "float32"
_FIRST = 3  # structures of the families
Kind = Literal["images", "texts", "series", "rows"]


@dataclass(frozen=True, slots=True, kw_only=True)
class FactoryStructure:
    """Everything of a network but its width. ratios: of each stage's width to the first's."""

    family: Family
    depth: int
    ratios: tuple[float, ...] = (1.0,)
    stride: Literal[1, 2, 4] = 1
    widths: tuple[int, ...] = WIDTHS

    @property
    def name(self) -> str:
        """ "residual 2x(1, 1.5) /2"."""
        ratios = ", ".join(f"{ratio:g}" for ratio in self.ratios)
        return f"{self.family} {self.depth}x({ratios})" + self._shrinks

    def student(self, width: int) -> FactoryStudent:
        """The network whose first stage has this width."""
        image = self.family in ("residual", "depthwise")
        return FactoryStudent(
            kind="factory",
            name=self.family,
            widths=tuple(_rounded(ratio * width) for ratio in self.ratios),
            depth=self.depth,
            stem=min(STEM, width) if image else None,
            stride=self.stride,
        )

    def words(self, width: int) -> str:
        """ "residual 2x(48, 72) /2"."""
        widths = ", ".join(str(one) for one in self.student(width).widths)
        return f"{self.family} {self.depth}x({widths})" + self._shrinks

    @property
    def _shrinks(self) -> str:
        return f" /{self.stride}" if self.stride > 1 else ""


Structure = FactoryStructure | InheritedStructure


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """One candidate: what is built and how it is stored."""

    structure: Structure
    width: int
    scheme: str

    @property
    def student(self) -> FactoryStudent | TruncatedStudent | PrunedStudent:
        return self.structure.student(self.width)

    @property
    def name(self) -> str:
        """ "residual 2x(48, 72) /2, int8"."""
        return f"{self.structure.words(self.width)}, {self.scheme}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Space:
    """The most promising structures first: where time is short, the rest is left out."""

    structures: tuple[Structure, ...]
    schemes: tuple[str, ...]

    def plans(self, structure: Structure, scheme: str) -> tuple[Plan, ...]:
        """From the narrowest to the widest."""
        return tuple(
            Plan(structure=structure, width=width, scheme=scheme) for width in structure.widths
        )


def space_for(
    kind: Kind,
    *,
    side: int = 0,
    schemes: Sequence[str],
    inherited: Sequence[InheritedStructure] = (),
) -> Space:
    """side: the shorter one of an image, in pixels. inherited: parts of the teacher, which come
    first for texts, where little is learnt from random weights, and elsewhere after _FIRST."""
    made = tuple(_structures(kind, side))
    first = 0 if kind == "texts" else _FIRST
    together: tuple[Structure, ...] = (*made[:first], *inherited, *made[first:])
    return Space(structures=together, schemes=tuple(schemes))


def _structures(kind: Kind, side: int) -> Iterable[FactoryStructure]:
    match kind:
        case "images":
            yield from _images(side)
        case "texts":
            for depth in (2, 1, 3):
                yield FactoryStructure(family="encoder", depth=depth, widths=HEADS)
            for depth in (1, 2):
                yield FactoryStructure(family="convolution", depth=depth)
        case "series":
            for ratios in ((1.0, 1.5), (1.0, 1.5, 2.0), (1.0,)):
                for depth in (1, 2):
                    yield FactoryStructure(family="sequence", depth=depth, ratios=ratios)
        case "rows":
            for depth in (1, 2, 3):
                yield FactoryStructure(family="perceptron", depth=depth)


def _images(side: int) -> Iterable[FactoryStructure]:
    stride: Literal[1, 2, 4] = 4 if side >= LARGE else 2
    late = (1.0, 1.5, 2.0, 3.0) if side >= 2 * LARGE else (1.0, 2.0, 3.0)
    short = (1.0, 1.5, 2.0) if side >= 2 * LARGE else (1.0, 1.5)
    table: tuple[tuple[Family, int, tuple[float, ...], Literal[1, 2, 4]], ...] = (
        ("residual", 1, late, stride),
        ("residual", 2, short, stride),
        ("residual", 1, short, stride),
        ("depthwise", 2, late, stride),
        ("residual", 2, late, stride),
        ("residual", 1, late, 1 if stride == 2 else 2),
        ("depthwise", 3, short, stride),
        ("residual", 3, short, stride),
    )
    for family, depth, ratios, shrinks in table:
        halvings = len(ratios) - 1 + {1: 0, 2: 1, 4: 2}[shrinks]
        if side >> halvings >= 2:
            yield FactoryStructure(
                family=family, depth=depth, ratios=ratios, stride=shrinks, widths=IMAGE_WIDTHS
            )


def _rounded(width: float) -> int:
    """To a block of 8; below it to one of 4."""
    block = 8 if width >= 8 else 4
    return max(block, round(width / block) * block)
