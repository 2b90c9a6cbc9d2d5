"""A task of embeddings: 300 rows of six numbers, without labels."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from compress.tasks.augment import Augmentation
from compress.tasks.data import Samples, Task


def embedding_task() -> Task:
    inputs = np.random.default_rng(0).normal(size=(300, 6)).astype(np.float32)
    part = Samples(ids=np.arange(300), inputs=inputs, labels=np.full(300, -100))
    return Task(
        name="rows",
        classes=(),
        input_name="inputs",
        scale=1.0,
        augmentation=Augmentation(),
        fingerprint="rows",
        train=part,
        validation=replace(part, ids=np.arange(300, 600)),
        test=lambda: part,
        outputs="embeddings",
    )
