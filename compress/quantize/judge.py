"""What a file keeps of the float file's answers: in each output and batch, the worst counts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from compress.quantize.feeds import rows_of
from compress.quantize.fidelity import (
    Fidelity,
    Metric,
    check_metric,
    cosines,
    fidelity,
    one_number,
    suitable_metric,
)
from compress.quantize.outputs import Answers, all_answers
from compress.quantize.samples import Samples

_Feeds = Mapping[str, NDArray[Any]]


_SLACK = 1e-9  # shares of samples; their difference is exact but for rounding


class Judge:
    """Judges files by the answers of `source` to what is held out of samples.

    metric: of the answer, None for a suitable one; any other output in floats is held to its mean
    cosine, which may lose max_drop too. batch: as it is served; None: as the samples are.
    """

    def __init__(
        self,
        source: Path,
        samples: Samples,
        *,
        metric: Metric | None,
        max_drop: float,
        batch: int | None,
        threads: int,
    ) -> None:
        self._source, self._samples, self._threads = source, samples, threads
        self._max_drop = max_drop
        held = samples.held_out
        as_given = all(rows_of(feeds) == batch for feeds in (held[0], *held[:-1]))
        self._batch = None if as_given else batch
        self._exact: dict[int | None, Answers] = {}
        self.reference = self._reference(None).first
        self.metric: Metric = metric or suitable_metric(self.reference, samples.labels)
        check_metric(self.metric, self.reference)

    def __call__(self, path: Path, depends: bool) -> Fidelity:
        """depends: whether answers may depend on what else is in the batch; then they are judged at
        the batch that is served too. Told is what the answer keeps, or, where another output loses
        more than allowed, that one."""
        found = self._judged(path, None)
        if depends and self._batch is not None:
            found += self._judged(path, self._batch)
        worst = max(found, key=lambda one: one.drop)
        if worst.output and worst.drop <= self._max_drop + _SLACK:
            return max((one for one in found if not one.output), key=lambda one: one.drop)
        return worst

    def _judged(self, path: Path, batch: int | None) -> list[Fidelity]:
        exact = self._reference(batch)
        answered = all_answers(path, self._batches(batch), threads=self._threads)
        first = fidelity(
            exact.first, answered.first, metric=self.metric, labels=self._samples.labels
        )
        found = [replace(first, batch=batch)]
        for name, parts in exact.others.items():
            close = _cosines(parts, answered.others.get(name, ()))
            found.append(
                Fidelity(
                    metric="cosine",
                    value=float(close.mean()),
                    reference=1.0,
                    samples=len(close),
                    cosine_mean=float(close.mean()),
                    cosine_p1=float(np.percentile(close, 1)),
                    output=name,
                    batch=batch,
                )
            )
        return found

    def _reference(self, batch: int | None) -> Answers:
        if batch not in self._exact:
            self._exact[batch] = all_answers(
                self._source, self._batches(batch), threads=self._threads
            )
        return self._exact[batch]

    def _batches(self, batch: int | None) -> Iterable[_Feeds]:
        held = self._samples.held_out
        return held if batch is None else rebatched(held, batch)


def rebatched(batches: Sequence[_Feeds], size: int) -> Iterator[_Feeds]:
    """The same samples in the same order, in batches of size; fewer where the next ones have
    another shape, and at the end."""
    waiting: _Feeds | None = None
    for feeds in batches:
        if waiting is not None and not _alike(waiting, feeds):
            yield waiting
            waiting = None
        waiting = feeds if waiting is None else _both(waiting, feeds)
        while _is_even(waiting) and rows_of(waiting) > size:
            yield {name: a[:size] if a.ndim else a for name, a in waiting.items()}
            waiting = {name: a[size:] if a.ndim else a for name, a in waiting.items()}
    if waiting is not None:
        yield waiting


def _alike(left: _Feeds, right: _Feeds) -> bool:
    """Whether the samples of both fit into one batch."""
    return (
        _is_even(left)
        and _is_even(right)
        and all(
            a.shape[1:] == right[name].shape[1:] if a.ndim else np.array_equal(a, right[name])
            for name, a in left.items()
        )
    )


def _is_even(feeds: _Feeds) -> bool:
    """Whether each input has samples along its first axis."""
    return len({len(array) for array in feeds.values() if array.ndim}) == 1


def _both(left: _Feeds, right: _Feeds) -> _Feeds:
    return {name: np.concatenate([a, right[name]]) if a.ndim else a for name, a in left.items()}


def _cosines(
    exact: Sequence[NDArray[np.float32]], answered: Sequence[NDArray[np.float32]]
) -> NDArray[np.float64]:
    """Of each row; 0 where the shapes differ. What is not finite in the float file counts as 0 in
    both: two equal masks of infinities are equal. Rows of one number are judged together, by the
    spread of all of them."""
    found = []
    numbers: list[tuple[NDArray[np.float32], NDArray[np.float32]]] = []
    for place, left in enumerate(exact):
        right = answered[place] if place < len(answered) else None
        if right is None or right.shape != left.shape:
            found.append(np.zeros(len(left)))
            continue
        finite = np.isfinite(left)
        if left.shape[1] == 1:
            numbers.append((np.where(finite, left, 0)[:, 0], np.where(finite, right, 0)[:, 0]))
            continue
        wanted = np.where(finite, left, 0).astype(np.float64)
        given = np.nan_to_num(np.where(finite, right, 0).astype(np.float64))
        empty = np.logical_and(~wanted.any(axis=1), ~given.any(axis=1))
        found.append(np.where(empty, 1.0, cosines(wanted, given)))
    if numbers:
        found.append(one_number(*(np.concatenate(side) for side in zip(*numbers, strict=True))))
    return np.concatenate(found)
