"""Labels of channels: those that can only be kept or removed together have one root."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

NONE = 0  # of an element that no channel decides about


class Labels:
    """A union-find over whole arrays. A label is a positive number; 0 stands for none.

    A frozen label is never removed; why it is frozen is kept, for the message.
    """

    def __init__(self) -> None:
        self._parent: NDArray[np.int64] = np.zeros(1024, dtype=np.int64)
        self._count = 1
        self._frozen: dict[int, str] = {}
        self._starts = [0]

    @property
    def count(self) -> int:
        """One more than the largest label."""
        return self._count

    def fresh(self, *shape: int) -> Tensor:
        """New labels, all different."""
        number = int(np.prod(shape))
        first, self._count = self._count, self._count + number
        self._starts.append(first)
        if self._count > len(self._parent):
            larger = np.zeros(max(self._count, 2 * len(self._parent)), dtype=np.int64)
            larger[:first] = self._parent[:first]
            self._parent = larger
        self._parent[first : self._count] = np.arange(first, self._count)
        return torch.arange(first, self._count).reshape(shape)

    def find(self, labels: Tensor) -> Tensor:
        """The root of each label."""
        given = labels.numpy()
        roots = self._parent[given]
        while not np.array_equal(self._parent[roots], roots):
            roots = self._parent[roots]
        self._parent[given] = roots
        return torch.from_numpy(np.ascontiguousarray(roots))

    def source(self, labels: Tensor) -> Tensor:
        """Which call of `fresh` the root of each label came from; 0 of none."""
        starts = np.array(self._starts)
        return torch.from_numpy(np.searchsorted(starts, self.find(labels).numpy(), "right") - 1)

    def unite(self, first: Tensor, second: Tensor) -> None:
        """Join each pair of two arrays of one shape; none joins with nothing."""
        left, right = self.find(first).flatten().numpy(), self.find(second).flatten().numpy()
        apart = (left != right) & (left != NONE) & (right != NONE)
        if not apart.any():
            return
        for one, other in np.unique(np.stack([left[apart], right[apart]]), axis=1).T.tolist():
            self._join(one, other)

    def unite_all(self, labels: Tensor) -> None:
        """Join all labels of an array into one."""
        flat = labels.flatten()
        flat = flat[flat != NONE]
        if len(flat):
            self.unite(flat[:1].expand(len(flat)), flat)

    def freeze(self, labels: Tensor, reason: str) -> None:
        """Never remove these."""
        for root in np.unique(self.find(labels).numpy()).tolist():
            if root != NONE:
                self._frozen.setdefault(root, reason)

    def frozen(self) -> dict[int, str]:
        """Root -> why it is kept."""
        return dict(self._frozen)

    def _join(self, one: int, other: int) -> None:
        one, other = self._root(one), self._root(other)
        if one == other:
            return
        low, high = min(one, other), max(one, other)
        self._parent[high] = low
        reason = self._frozen.pop(high, None)
        if reason is not None:
            self._frozen.setdefault(low, reason)

    def _root(self, label: int) -> int:
        while self._parent[label] != label:
            label = int(self._parent[label])
        return label
