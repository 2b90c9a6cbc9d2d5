"""Which network is trained: a user's own, one of a family, or whatever the search finds."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from compress.recipe.node import Node

Width = Annotated[int, Field(ge=1, le=8192)]
Family = Literal["residual", "depthwise", "encoder", "convolution", "perceptron", "sequence"]


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


StudentNode = Annotated[PythonStudent | FactoryStudent, Field(discriminator="kind")]
