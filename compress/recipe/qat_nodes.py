"""Quantization-aware training, as a recipe asks for it."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from compress.recipe.node import Node
from compress.recipe.units import PercentagePoints


class QatQuantize(Node):
    """Static int8, trained further with its rounding by the float student's answers.

    samples: that calibrate its ranges to start from. batch: by default that of `distill`. Shipped
    where `auto` would ship it: when it is faster and its accuracy holds.
    """

    kind: Literal["qat"]
    samples: int = Field(default=512, ge=1)
    max_drop: PercentagePoints = Field(default="0.5pp", validate_default=True)
    epochs: int = Field(default=3, ge=1)
    learning_rate: float = Field(default=0.01, gt=0)  # of SGD, at its peak
    batch: int | None = Field(default=None, ge=2)
    temperature: float = Field(default=4.0, gt=0)  # of the student's answers
