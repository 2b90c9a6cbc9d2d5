"""Which network is trained: a user's own, one of a family, or whatever the search finds."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from compress.recipe.inherited_nodes import InheritedStudent, PrunedStudent, TruncatedStudent
from compress.recipe.node import Node
from compress.recipe.units import DurationText, Text

Width = Annotated[int, Field(ge=1, le=8192)]
Family = Literal["residual", "depthwise", "encoder", "convolution", "perceptron", "sequence"]
Searched = Literal[
    "residual", "depthwise", "encoder", "convolution", "perceptron", "sequence",
    "truncated", "pruned",
]  # fmt: skip


class PythonStudent(Node):
    """A factory that returns an untrained torch module."""

    kind: Literal["python"]
    target: str


class FactoryStudent(Node):
    """A network of a known family, for the task's own inputs and classes.

    residual, depthwise: images, also spectrograms; encoder, convolution: texts; perceptron: rows
    of numbers; sequence: (channels, time). depth: blocks of each width, layers of an encoder.
    widths: of each stage. stem: channels of an image network's first convolution, by default the
    first width. stride: how much the first stage shrinks height and width.
    """

    kind: Literal["factory"]
    name: Family
    widths: tuple[Width, ...] = Field(min_length=1, max_length=8)
    depth: int = Field(default=1, ge=1, le=48)
    stem: Width | None = None
    stride: Literal[1, 2, 4] = 1


class AutoStudent(Node):
    """Found by a search: the most accurate that meets the budgets on speed and size.

    families: those that are tried, by default all that take the task's inputs, and `truncated` and
    `pruned` parts of a teacher that has layers.
    """

    kind: Literal["auto"]
    families: tuple[Searched, ...] | None = Field(default=None, min_length=1)


class Search(Node):
    """How a student of kind `auto` is found. time: of the whole run but loading the data; the last
    training gets what is left of it, and at most `distill.epochs`.

    seeds: of the last round of the race. study: where every candidate and pilot is kept as a trial
    of optuna: a file or `postgresql://host/base`, by default `study.journal` of the run. Runs on
    several machines of one kind that name the same one share the work.
    """

    time: DurationText = "40min"
    seeds: int = Field(default=1, ge=1, le=10)
    study: Text | None = None


StudentNode = Annotated[
    PythonStudent | FactoryStudent | AutoStudent | PrunedStudent | TruncatedStudent,
    Field(discriminator="kind"),
]
# What a module can be built of, once a search or a pruning is done.
BuiltStudent = Annotated[StudentNode | InheritedStudent, Field(discriminator="kind")]
