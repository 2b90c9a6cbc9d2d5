"""Two models on the same samples: what the student loses and gains against the teacher."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from compress.errors import InputError
from compress.metrics.accuracy import check_classes
from compress.metrics.binomial import clopper_pearson_upper, mcnemar_mid_p
from compress.metrics.tango import difference_high_bound, difference_low_bound
from compress.values import ClassChange, PairedQuality


def pair(
    reference_name: str,
    candidate_name: str,
    reference_predictions: NDArray[np.integer],
    candidate_predictions: NDArray[np.integer],
    labels: NDArray[np.integer],
    class_names: Sequence[str],
) -> PairedQuality:
    """Candidate minus reference, sample by sample. All arrays: (n,) class indices.

    Bounds are one-sided 95 %: of the difference by Tango's score test, of the negative flip rate by
    Clopper and Pearson. Classes are sorted worst first; one without samples has no accuracy and is
    left out. InputError when lengths differ, there are no samples, or a label has no name.
    """
    check_classes(reference_name, reference_predictions, labels)
    check_classes(candidate_name, candidate_predictions, labels)
    if labels.min() < 0 or labels.max() >= len(class_names):
        raise InputError(
            f"labels run from {labels.min()} to {labels.max()} with {len(class_names)} class names"
        )
    before = reference_predictions == labels
    after = candidate_predictions == labels
    samples = len(labels)
    lost = int(np.count_nonzero(before & ~after))
    gained = int(np.count_nonzero(after & ~before))
    agreed = int(np.count_nonzero(reference_predictions == candidate_predictions))
    return PairedQuality(
        reference=reference_name,
        candidate=candidate_name,
        samples=samples,
        difference=(gained - lost) / samples,
        difference_low_bound=difference_low_bound(gained, lost, samples),
        difference_high_bound=difference_high_bound(gained, lost, samples),
        lost=lost,
        gained=gained,
        mcnemar_p=mcnemar_mid_p(gained, lost),
        negative_flip_rate=lost / samples,
        negative_flip_rate_upper=clopper_pearson_upper(lost, samples),
        agreement=agreed / samples,
        classes=_changes(before, after, labels, class_names),
    )


def _changes(
    before: NDArray[np.bool_],
    after: NDArray[np.bool_],
    labels: NDArray[np.integer],
    class_names: Sequence[str],
) -> tuple[ClassChange, ...]:
    changes = []
    for index, name in enumerate(class_names):
        of_class = labels == index
        samples = int(np.count_nonzero(of_class))
        if samples == 0:
            continue
        was, now = before[of_class], after[of_class]
        changes.append(
            ClassChange(
                name=name,
                samples=samples,
                teacher_accuracy=int(np.count_nonzero(was)) / samples,
                student_accuracy=int(np.count_nonzero(now)) / samples,
                lost=int(np.count_nonzero(was & ~now)),
                gained=int(np.count_nonzero(now & ~was)),
            )
        )
    # Of classes that fell alike, the one with more flips has changed more; then recipe order.
    changes.sort(key=lambda change: ((change.gained - change.lost) / change.samples, -change.lost))
    return tuple(changes)
