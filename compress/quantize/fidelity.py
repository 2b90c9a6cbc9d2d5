"""How much of a float file's answers a smaller one keeps, on samples that calibrated nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from compress.errors import InputError
from compress.quantize.feeds import rows_of
from compress.quantize.outputs import answers as answers

Metric = Literal["accuracy", "top1", "cosine", "nearest"]
METRICS: tuple[Metric, ...] = ("accuracy", "top1", "cosine", "nearest")
_UNIT = 1e-3  # how far the length of a vector may be from 1
_VARIES = 1e-12  # of the mean square: a variance below it is rounding
_LEAST = 1e-30  # a scale of numbers that are all 0
_SAME = 1e-3  # relative change of an answer below which batch mates did not matter


@dataclass(frozen=True, slots=True, kw_only=True)
class Fidelity:
    """value, reference: in [0, 1]; what is lost is their difference.

    accuracy: right answers, of this file and of the float one. top1: answers of the same class.
    cosine: mean over samples, of answers of one number as one_number says. nearest: samples whose
    nearest other sample is the same. spearman: of a task of embeddings, the correlation of
    similarities with the teacher's. output: the name of another output than the answer, that is
    kept worst. batch: at which it is, where not that of the samples.
    """

    metric: Metric | Literal["spearman"]
    value: float
    reference: float
    samples: int
    cosine_mean: float
    cosine_p1: float  # first percentile
    output: str = ""
    batch: int | None = None

    @property
    def drop(self) -> float:
        return self.reference - self.value

    def lost(self, allowed: float) -> str:
        """In words. allowed: a fraction."""
        of = f" of the output `{self.output}`" if self.output else ""
        at = "" if self.batch is None else f" at batch {self.batch}"
        return (
            f"loses {100 * self.drop:.2f} pp of {self.metric}{of} on {self.samples:,} samples{at} "
            f"(allowed: {100 * allowed:.2f} pp)"
        )


def suitable_metric(reference: NDArray[np.float64], labels: NDArray[np.int64] | None) -> Metric:
    """accuracy with labels; cosine for vectors of length 1; else the class. cosine for answers of
    one number, which name no class."""
    if reference.shape[1] == 1:
        return "cosine"
    if labels is not None:
        return "accuracy"
    lengths = np.linalg.norm(reference, axis=1)
    return "cosine" if bool((np.abs(lengths - 1) < _UNIT).all()) else "top1"


def check_metric(metric: Metric, reference: NDArray[np.float64]) -> None:
    """InputError for one that answers of one number all meet, whatever they are."""
    if reference.shape[1] == 1 and metric != "cosine":
        raise InputError(
            f"`{metric}` compares several numbers per sample, and the answers are one number",
            cure="use cosine: for one number it is the error against the spread of the answers",
        )


def fidelity(
    reference: NDArray[np.float64],
    answered: NDArray[np.float64],
    *,
    metric: Metric,
    labels: NDArray[np.int64] | None = None,
) -> Fidelity:
    """reference, answered: (n, values). A NaN in an answer counts as lost, and what is not finite
    in the reference as 0 in both for the cosine, so that a sample without a number is lost."""
    if reference.shape[1] == 1:
        close = one_number(reference[:, 0], answered[:, 0])
    else:
        finite = np.isfinite(reference)
        given = np.nan_to_num(np.where(finite, answered, 0))
        close = cosines(np.where(finite, reference, 0), given)
    bound = 1.0
    if metric == "accuracy":
        if labels is None:
            cure = "give an array `labels`, or use top1"
            raise InputError("accuracy needs labels", cure=cure)
        bound = float((reference.argmax(axis=1) == labels).mean())
        value = float((np.nan_to_num(answered).argmax(axis=1) == labels).mean())
    elif metric == "top1":
        value = float((reference.argmax(axis=1) == np.nan_to_num(answered).argmax(axis=1)).mean())
    elif metric == "nearest":
        value = float((nearest(reference) == nearest(np.nan_to_num(answered))).mean())
    else:
        value = float(close.mean())
    return Fidelity(
        metric=metric,
        value=value,
        reference=bound,
        samples=len(reference),
        cosine_mean=float(close.mean()),
        cosine_p1=float(np.percentile(close, 1)),
    )


def nearest(vectors: NDArray[np.float64]) -> NDArray[np.int64]:
    """Of each vector the other one with the largest cosine. (n, values) -> (n,)."""
    lengths = np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
    close = (vectors / lengths) @ (vectors / lengths).T
    np.fill_diagonal(close, -np.inf)
    found: NDArray[np.int64] = close.argmax(axis=1)
    return found


def changed_by_batch_mates(
    path: Path, batches: Sequence[Mapping[str, NDArray[Any]]], *, threads: int = 1
) -> float | None:
    """Share of samples whose answer alone differs from that in their batch, by more than 0.1 % of
    its length. None: batches have one sample, or the model takes no other batch."""
    if all(rows_of(feeds) == 1 for feeds in batches):
        return None
    alone = [
        {name: array[at : at + 1] if array.ndim else array for name, array in feeds.items()}
        for feeds in batches
        for at in range(rows_of(feeds))
    ]
    try:
        single = answers(path, alone, threads=threads)
    except InputError:
        return None
    together = answers(path, batches, threads=threads)
    moved = np.linalg.norm(together - single, axis=1)
    return float((moved > _SAME * np.maximum(np.linalg.norm(single, axis=1), 1e-12)).mean())


def one_number(
    reference: NDArray[np.floating], answered: NDArray[np.floating]
) -> NDArray[np.float64]:
    """Of each of n numbers 1 minus its squared error over twice the variance of the reference, at
    least -1: what the cosine is to vectors of one length, where that of single numbers is their
    sign alone. Of numbers that do not vary, over twice their square. 0 where either is not finite.
    """
    known = np.isfinite(reference) & np.isfinite(answered)
    wanted = np.where(known, reference, 0).astype(np.float64)
    given = np.where(known, answered, 0).astype(np.float64)
    finite = reference[np.isfinite(reference)].astype(np.float64)
    size = float(np.square(finite).mean()) if finite.size else 0.0
    spread = float(finite.var()) if finite.size else 0.0
    scale = spread if spread > _VARIES * size else size
    error = np.abs(given - wanted) / max(np.sqrt(scale), _LEAST)
    # An error of two deviations loses all: -1, as for opposite vectors.
    return np.where(known, 1.0 - np.square(np.minimum(error, 2.0)) / 2.0, 0.0)


def cosines(left: NDArray[np.float64], right: NDArray[np.float64]) -> NDArray[np.float64]:
    """Of each row: (n, values), (n, values) -> (n,)."""
    lengths = np.linalg.norm(left, axis=1) * np.linalg.norm(right, axis=1)
    found: NDArray[np.float64] = (left * right).sum(axis=1) / np.maximum(lengths, 1e-12)
    return found
