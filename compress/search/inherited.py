"""Parts of a teacher as structures of a search: fewer blocks, or narrower layers, with weights."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from compress.recipe.inherited_nodes import PrunedStudent, TruncatedStudent
from compress.search.predict import TABLE, Operator

# Percent of the channels that stay: steps of about a quarter of the multiply-accumulates. Of those
# no share is asked for, as not every network can be cut to each.
CHANNELS = (15, 17, 20, 22, 25, 28, 32, 36, 41, 46, 52, 59, 66, 75, 85, 95)
BLOCK = 8  # channels come in multiples of it, as those of the families do; time is measured anyway
Part = Literal["truncated", "pruned"]


@dataclass(frozen=True, slots=True, kw_only=True)
class InheritedStructure:
    """A teacher's part but for its size: `width` counts blocks of a truncated one, and percent of
    every layer's channels of a pruned one.

    depth: blocks that a pruned one keeps, the most of a truncated one. blocks: of the teacher; 0
    where it has none that could go. operators: of the whole teacher.
    """

    family: Part
    depth: int
    blocks: int
    widths: tuple[int, ...]
    operators: tuple[Operator, ...] = field(default=(), compare=False, repr=False)

    @property
    def name(self) -> str:
        """ "teacher's blocks", "narrower teacher, 3 of 6 blocks"."""
        return "teacher's blocks" if self.family == "truncated" else f"narrower teacher{self._cut}"

    def student(self, width: int) -> TruncatedStudent | PrunedStudent:
        """The node of a recipe."""
        if self.family == "truncated":
            return TruncatedStudent(kind="truncated", layers=width)
        layers = self.depth if self.depth < self.blocks else None
        said = {"kind": "pruned", "ratio": f"{100 - width}%", "layers": layers, "round_to": BLOCK}
        return PrunedStudent.model_validate(said)

    def words(self, width: int) -> str:
        """ "teacher, 2 of 6 blocks", "narrower teacher, 3 of 6 blocks, 25% of its channels"."""
        if self.family == "truncated":
            return f"teacher, {width} of {self.blocks} blocks"
        return f"{self.name}, {width}% of its channels"

    def operators_at(self, width: int) -> tuple[Operator, ...]:
        """About what they are at a width, without cutting anything: a prediction's features, which
        need to be right in proportion alone."""
        if self.family == "truncated":
            share = width / self.blocks
            return tuple(_scaled(one, share, share) for one in self.operators)
        channels = width / 100
        kept = self.depth / self.blocks if self.depth < self.blocks else 1.0
        return tuple(_scaled(one, kept * channels**2, kept * channels) for one in self.operators)

    @property
    def _cut(self) -> str:
        return f", {self.depth} of {self.blocks} blocks" if self.depth < self.blocks else ""


def inherited_structures(
    operators: Sequence[Operator], *, blocks: int, least: int, prunable: bool
) -> tuple[InheritedStructure, ...]:
    """What can be made of a teacher, the most promising first.

    blocks: that it has, least: that have to stay; 0 where none can go. prunable: whether its layers
    can be made narrower.
    """
    found: list[InheritedStructure] = []
    given = tuple(operators)
    if blocks > least:
        counts = tuple(range(least, blocks + 1))
        found.append(
            InheritedStructure(
                family="truncated", depth=blocks, blocks=blocks, widths=counts, operators=given
            )
        )
    if prunable:
        whole = InheritedStructure(
            family="pruned", depth=blocks, blocks=blocks, widths=CHANNELS, operators=given
        )
        half = max(least, blocks // 2)
        found.append(whole)
        if 0 < half < blocks:
            found.append(replace(whole, depth=half))
    return tuple(found)


def _scaled(one: Operator, share: float, outputs: float) -> Operator:
    """share: of its multiply-accumulates and its parameters. Tables of vectors stay."""
    if one.kind == TABLE:
        return one
    return Operator(
        kind=one.kind,
        macs=round(share * one.macs),
        outputs=round(outputs * one.outputs),
        parameters=round(share * one.parameters),
    )
