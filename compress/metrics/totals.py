"""Sums over samples from which every metric is computed, so that any metric can be resampled.

A sample adds fixed numbers to a few of many columns (its class, its confidence bin, its loss). The
metrics of a resample are functions of the weighted column sums alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from compress.metrics.scores import Answers, Scored

BINS = 15  # of the expected calibration error (Guo et al., 2017)
HIGHER = ("accuracy", "macro_f1", "worst_class_accuracy")
LOWER = ("nll", "brier", "ece")
NAMES = (*HIGHER, *LOWER)
_DENSE = 30_000_000  # numbers in the table of columns; beyond, sums are taken sample by sample


@dataclass(frozen=True, slots=True, kw_only=True)
class Totals:
    """Per sample: the columns that it adds to and what. index, value: (terms, n).

    scored: per subject, whether its scores are known and not its classes alone.
    """

    subjects: tuple[str, ...]
    scored: tuple[bool, ...]
    classes: int
    columns: int
    index: NDArray[np.int64]
    value: NDArray[np.float32]

    def sums(self, weights: NDArray[np.float32]) -> NDArray[np.float64]:
        """Column sums of each resample. weights: (resamples, n) -> (resamples, columns)."""
        samples = self.index.shape[1]
        if samples * self.columns <= _DENSE:
            table = np.zeros((samples, self.columns), dtype=np.float32)
            rows = np.arange(samples)
            for index, value in zip(self.index, self.value, strict=True):
                table[rows, index] += value  # one column per sample and term: none is met twice
            # A product for each model: equal columns give equal sums then. In one product they get
            # other kernels by their place, and twins differed by 7e-9 on one processor.
            ends = range(self.classes, self.columns + 1, _width(self.classes))
            parts = np.split(table, ends[:-1], axis=1)
            sums = [weights @ np.ascontiguousarray(part) for part in parts]
            return np.concatenate(sums, axis=1).astype(np.float64)
        return np.stack(
            [
                np.bincount(
                    self.index.ravel(),
                    weights=(self.value * row).ravel(),
                    minlength=self.columns,
                )
                for row in weights
            ]
        )


def totals_of(answered: Sequence[Answers], labels: NDArray[np.integer], *, classes: int) -> Totals:
    """The table of some models on the same samples."""
    support = labels.astype(np.int64)
    index, value = [support], [np.ones(len(labels), dtype=np.float32)]
    width = _width(classes)
    for place, answer in enumerate(answered):
        start = classes + place * width
        right = (answer.classes == labels).astype(np.float32)
        one = np.ones(len(labels), dtype=np.float32)
        terms = [(start + support, right), (start + classes + answer.classes, one)]
        if answer.scored is not None:
            terms += _score_terms(answer.scored, right, start + 2 * classes)
        for columns, values in terms:
            index.append(columns.astype(np.int64))
            value.append(values)
    return Totals(
        subjects=tuple(answer.subject for answer in answered),
        scored=tuple(answer.scored is not None for answer in answered),
        classes=classes,
        columns=classes + width * len(answered),
        index=np.stack(index),
        value=np.stack(value),
    )


def _score_terms(
    scored: Scored, right: NDArray[np.float32], start: int
) -> list[tuple[NDArray[np.int64], NDArray[np.float32]]]:
    """The sums of both losses, and the gap of each confidence bin."""
    bins = np.minimum((scored.confidence * BINS).astype(np.int64), BINS - 1)
    return [
        (np.full(len(right), start), scored.nll.astype(np.float32)),
        (np.full(len(right), start + 1), scored.brier.astype(np.float32)),
        (start + 2 + bins, right - scored.confidence.astype(np.float32)),
    ]


def metrics_of(totals: Totals, sums: NDArray[np.float64]) -> dict[str, NDArray[np.float64]]:
    """Each metric of NAMES: sums (resamples, columns) -> (resamples, subjects).

    macro_f1 is the mean over the classes that occur among labels or answers;
    worst_class_accuracy the lowest over the classes that have samples. ece: 15 equal bins. What
    needs scores is NaN for a subject without them.
    """
    classes, width = totals.classes, _width(totals.classes)
    support = sums[:, :classes]
    samples = support.sum(axis=1)
    found: dict[str, list[NDArray[np.float64]]] = {name: [] for name in NAMES}
    for place in range(len(totals.subjects)):
        own = sums[:, classes + place * width : classes + (place + 1) * width]
        right, answered = own[:, :classes], own[:, classes : 2 * classes]
        losses, gaps = own[:, 2 * classes : 2 * classes + 2], own[:, 2 * classes + 2 :]
        occurs = support + answered
        f1 = 2.0 * right / np.maximum(occurs, 1.0)
        recall = np.where(support > 0, right / np.maximum(support, 1.0), np.inf)
        found["accuracy"].append(right.sum(axis=1) / samples)
        found["macro_f1"].append(f1.sum(axis=1) / (occurs > 0).sum(axis=1))
        found["worst_class_accuracy"].append(recall.min(axis=1))
        known = 1.0 if totals.scored[place] else np.nan
        found["nll"].append(known * losses[:, 0] / samples)
        found["brier"].append(known * losses[:, 1] / samples)
        found["ece"].append(known * np.abs(gaps).sum(axis=1) / samples)
    return {name: np.stack(columns, axis=1) for name, columns in found.items()}


def _width(classes: int) -> int:
    return 2 * classes + 2 + BINS
