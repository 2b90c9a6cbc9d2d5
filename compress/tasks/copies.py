"""Samples that two splits share, by what they hold: counted, and refused where they are many."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from compress.errors import InputError
from compress.tasks.content import content_digests
from compress.tasks.data import Samples

MOST_SHARED = 0.01  # of the judging split: real sets hold a few copies; past this it proves little
# Split that judges, those it must not share samples with, and what sharing would spoil.
_PAIRS = (
    ("test", ("train", "validation"), "accuracy on samples seen in training proves nothing"),
    ("validation", ("train",), "choices made on samples seen in training prove nothing"),
    ("validation", ("test",), "what was chosen on test samples looks better on them than it is"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Copies:
    """notes: a line per pair of splits that share samples. in_train: ids of training samples whose
    values validation or test hold too."""

    notes: tuple[str, ...]
    in_train: tuple[int, ...]


def found_copies(splits: Mapping[str, Samples], *, where: str) -> Copies:
    """Compare train, validation and test by digests of their rows.

    InputError, at where, when more than 1 % of test is in train or validation too, or more than
    1 % of validation in train or in test.
    """
    digests = {name: content_digests(samples.inputs) for name, samples in splits.items()}
    notes = []
    for name, others, spoiled in _PAIRS:
        shared = np.isin(digests[name], np.concatenate([digests[other] for other in others]))
        if not shared.any():
            continue
        text = _counted(name, others, shared)
        if np.count_nonzero(shared) > MOST_SHARED * len(shared):
            first = splits[name].ids[np.flatnonzero(shared)[0]]
            raise InputError(
                f"{text}, the first has id {first}",
                where=where,
                cure=f"remove the copies from one of them: {spoiled}",
            )
        notes.append(text)
    held_out = np.concatenate([digests["validation"], digests["test"]])
    in_train = splits["train"].ids[np.isin(digests["train"], held_out)]
    return Copies(notes=tuple(notes), in_train=tuple(int(one) for one in in_train))


def _counted(name: str, others: tuple[str, ...], shared: NDArray[np.bool_]) -> str:
    count = int(np.count_nonzero(shared))
    return (
        f"{count:,} of {len(shared):,} {name} samples ({count / len(shared):.2%}) are also in "
        f"{' or '.join(others)}"
    )
