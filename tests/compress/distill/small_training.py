"""A small task, networks without BatchNorm and with inner layers, and one call that trains."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from compress.distill.devices import make_accelerator
from compress.distill.feed import Batch, TrainingFeed
from compress.distill.objective import build_objective
from compress.distill.teaching import OnlineTeacher
from compress.distill.trainer import Outcome, Settings, train
from compress.recipe.loss_needs import taps_of
from compress.recipe.nodes import Distill
from compress.tasks.augment import Augmentation
from compress.tasks.data import Samples, Task

SETTINGS = Settings(
    epochs=3,
    learning_rate=0.05,
    weight_decay=5e-4,
    warmup=0.3,
    average=0.9,
    clip=1.0,
    seed=0,
    checkpoint_every_s=0.0,
)


def bars(count: int, first_id: int, seed: int) -> Samples:
    """8 x 8 images of a bright column; its place modulo three is the class."""
    random = np.random.default_rng(seed)
    images = random.integers(0, 60, (count, 1, 8, 8))
    places = random.integers(0, 6, count)
    images[np.arange(count), 0, :, places + 1] += 120
    return Samples(
        ids=np.arange(first_id, first_id + count),
        inputs=images.astype(np.uint8),
        labels=(places % 3).astype(np.int64),
    )


def bars_task(train_count: int = 192) -> Task:
    samples = bars(96, 10_000, seed=2)
    return Task(
        name="bars",
        classes=("a", "b", "c"),
        input_name="images",
        scale=1 / 255,
        augmentation=Augmentation(pad_pixels=0),
        fingerprint="bars",
        train=bars(train_count, 0, seed=1),
        validation=samples,
        test=lambda: samples,
    )


class Net(nn.Module):
    """Two convolutions, then `tokens`: the columns of the map as a sequence, then scores."""

    def __init__(self, width: int, *, norm: bool = False, dropout: float = 0.0) -> None:
        super().__init__()
        self.first = nn.Conv2d(1, width, 3, padding=1)
        self.norm: nn.Module = nn.BatchNorm2d(width) if norm else nn.Identity()
        self.second = nn.Conv2d(width, width, 3, 2, padding=1)
        self.tokens = nn.Linear(4 * width, 2 * width)
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(2 * width, 3)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        maps = torch.relu(self.second(torch.relu(self.norm(self.first(images)))))
        tokens = self.tokens(maps.permute(0, 3, 1, 2).flatten(2))
        scores: torch.Tensor = self.head(self.dropout(torch.relu(tokens)).amax(1))
        return scores


def net(width: int = 4, *, seed: int = 0, norm: bool = False, dropout: float = 0.0) -> Net:
    torch.manual_seed(seed)
    return Net(width, norm=norm, dropout=dropout)


@dataclass(frozen=True, slots=True, kw_only=True)
class CountedFeed(TrainingFeed):
    """taken: an entry for each batch that was taken from it."""

    taken: list[int] = field(default_factory=list)

    def batches(self, epoch: int, *, first_step: int = 0) -> Iterator[Batch]:
        for batch in TrainingFeed.batches(self, epoch, first_step=first_step):
            self.taken.append(epoch)
            yield batch


def bits(module: nn.Module) -> str:
    digest = hashlib.sha256()
    for name, tensor in sorted(module.state_dict().items()):
        digest.update(name.encode() + tensor.numpy().tobytes())
    return digest.hexdigest()


def fit(
    module: nn.Module,
    task: Task,
    *,
    loss: Any = "labels",
    teacher: nn.Module | None = None,
    checkpoints: Path | None = None,
    stop_after: int | None = None,
    mixup: float | None = None,
    stored: list[np.ndarray] | None = None,
    batch: int = 32,
    precision: str = "float32",
    **changes: Any,
) -> Outcome:
    """Train as a recipe with this loss would; changes are of Settings."""
    node = Distill.model_validate({"loss": loss}).loss
    taps = taps_of(node)
    online = None if teacher is None else OnlineTeacher(network=teacher, taps=taps)
    feed = CountedFeed(task=task, batch=batch, seed=0, mixup=mixup, teacher_outputs=stored)
    return train(
        module,
        feed=feed,
        objective=build_objective(node, soft_labels=mixup is not None),
        settings=replace(SETTINGS, **changes),
        accelerator=make_accelerator("cpu", precision=precision),
        teacher=online,
        taps=taps,
        checkpoints=checkpoints,
        stop_requested=lambda: stop_after is not None and len(feed.taken) >= stop_after,
    )
