"""Early stopping: which epoch was best, and whether to wait for a better one."""

from __future__ import annotations

from collections.abc import Sequence

from compress.values import Epoch


def best_epoch(epochs: Sequence[Epoch]) -> int:
    """Position of the highest validation accuracy; of equal ones the lower loss, then the first."""
    return max(
        range(len(epochs)),
        key=lambda at: (epochs[at].validation_accuracy, -epochs[at].validation_loss, -at),
    )


def is_spent(epochs: Sequence[Epoch], patience: int | None) -> bool:
    """Whether the last `patience` epochs all brought nothing better."""
    if patience is None or not epochs:
        return False
    return len(epochs) - 1 - best_epoch(epochs) >= patience
