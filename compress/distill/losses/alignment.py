"""One minus the cosine of two vectors, with a bounded gradient where the student's is zero."""

from __future__ import annotations

from torch import Tensor

from compress.distill.losses.norms import length

EPSILON = 1e-20  # of no effect where anything is to be compared; 0 / 0 without it


def misalignment(student: Tensor, teacher: Tensor, *, floor: float, epsilon: float) -> Tensor:
    """1 - s.t / (|s| |t| + epsilon) over the last axis. (..., width) each -> (...).

    With a floor the student counts as at least that long (or as long as a shorter teacher), and
    a teacher below the floor, whose direction is noise, counts in proportion to its length: the
    gradient is then at most 1 / floor, and the value at student == teacher is still 0.
    """
    long_teacher = length(teacher)
    long_student = length(student).maximum(long_teacher.clamp(max=floor))
    product = (student * teacher).sum(dim=-1, keepdim=True)
    apart = 1.0 - product / (long_student * long_teacher + epsilon)
    if floor > 0.0:
        apart = apart * (long_teacher / floor).clamp(max=1.0)
    return apart.squeeze(-1)
