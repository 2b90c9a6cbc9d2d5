"""Whether an ONNX file computes what its reference does, over real samples and several batches."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from exporters.errors import InputError
from exporters.run import Collate, Keep, run_batches
from exporters.session import open_session
from exporters.values import OnnxArtifact, Parity


def check_parity(
    reference: Callable[[NDArray[Any]], NDArray[Any]],
    artifact: OnnxArtifact,
    *,
    inputs: NDArray[Any],
    collate: Collate | None = None,
    keep: Keep | None = None,
    batches: Sequence[int] = (1, 2, 33),
    atol: float,
    rtol: float,
) -> Parity:
    """Compare first outputs at every batch; passed: |file - reference| <= atol + rtol·|reference|.

    collate, keep: see run_batches; the reference is given the rows themselves, so that padding
    that changes an answer shows too.
    inputs: (n, ...), at least 256 real samples; the largest batch is filled by repeating them where
    n is smaller. The reference runs once, at the largest batch, so that an answer which depends on
    its batch mates shows. A difference is in `passed`, never raised; DistilError when the file
    doesn't run at all. NaN differs from everything, an infinity from all but itself.
    """
    if not len(inputs) or not batches or min(batches) < 1:
        raise InputError("parity needs samples and batches", cure="give at least one of each")
    largest = max(batches)
    fed = np.resize(inputs, (max(len(inputs), largest), *inputs.shape[1:]))
    chunks = [reference(fed[at : at + largest]) for at in range(0, len(fed), largest)]
    if keep is not None:
        rows = [fed[at : at + largest] for at in range(0, len(fed), largest)]
        chunks = [keep(np.asarray(chunk), of) for chunk, of in zip(chunks, rows, strict=True)]
    expected = np.concatenate([np.asarray(chunk) for chunk in chunks])
    session = open_session(artifact.path)
    largest_difference, agreement, passed = 0.0, 1.0, True
    for batch in batches:
        found = run_batches(session, fed, batch=batch, collate=collate, keep=keep)
        if found.shape != expected.shape:
            largest_difference, agreement, passed = float("inf"), 0.0, False
            break
        difference = _difference(found, expected)
        with np.errstate(invalid="ignore"):
            room = atol + rtol * np.abs(expected.astype(np.float64))
        passed = passed and bool(np.all(difference <= room))
        largest_difference = max(largest_difference, float(difference.max(initial=0.0)))
        agreement = min(agreement, _top1_agreement(found, expected))
    return Parity(
        samples=len(inputs),
        batches=tuple(batches),
        max_abs_diff=largest_difference,
        top1_agreement=agreement,
        atol=atol,
        rtol=rtol,
        passed=passed,
    )


def _difference(found: NDArray[Any], expected: NDArray[Any]) -> NDArray[np.float64]:
    with np.errstate(invalid="ignore"):
        difference = np.abs(found.astype(np.float64) - expected.astype(np.float64))
    difference[found == expected] = 0.0  # the same infinity
    difference[np.isnan(difference)] = np.inf
    return difference


def _top1_agreement(found: NDArray[Any], expected: NDArray[Any]) -> float:
    """Share of samples with the same best class; 1.0 where the output is not (n, classes)."""
    if found.ndim != 2 or found.shape[1] < 2:
        return 1.0
    return float(np.mean(found.argmax(axis=1) == expected.argmax(axis=1)))
