"""The numbers of one training, and what comes out of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from torch import nn

from compress.distill.optimizer import OptimizerName
from compress.recipe.nodes import Distill
from compress.recipe.units import parse_duration
from compress.values import Epoch

ScheduleName = Literal["one-cycle", "cosine", "constant"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Numbers of one training; times in seconds.

    warmup: part of all steps in which the rate rises. average: decay of the averaged weights; 0
    for none. accumulate: parts that the batch of a step is computed in. patience: epochs without a
    better one after which it ends, with the weights of the best; None trains to the last epoch.
    teach_by_average: the averaged weights are the teacher.
    """

    epochs: int
    learning_rate: float
    weight_decay: float
    warmup: float
    average: float
    clip: float | None
    seed: int
    checkpoint_every_s: float
    schedule: ScheduleName = "one-cycle"
    optimizer: OptimizerName = "sgd"
    accumulate: int = 1
    patience: int | None = None
    teach_by_average: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """The module to export (averaged, statistics re-estimated, eval mode) and its record."""

    module: nn.Module
    epochs: tuple[Epoch, ...]
    resumed_from_steps: tuple[int, ...]


def settings_of(node: Distill, *, seed: int) -> Settings:
    """The numbers of a training from its node."""
    return Settings(
        epochs=node.epochs,
        learning_rate=node.learning_rate,
        weight_decay=node.weight_decay,
        warmup=node.warmup,
        average=node.average,
        clip=node.clip,
        seed=seed,
        checkpoint_every_s=parse_duration(node.checkpoint_every),
        schedule=node.schedule,
        optimizer=node.optimizer,
        accumulate=node.accumulate,
        patience=node.patience,
        teach_by_average=node.teach_by == "average",
    )
