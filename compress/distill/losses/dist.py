"""DIST: relations between and within classes by correlation (Huang et al., 2022)."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional

from compress.distill.losses.alignment import EPSILON, misalignment
from compress.distill.losses.wide import in_float32

FLOOR = 0.1


@in_float32
def dist(
    student: Tensor,
    teacher: Tensor,
    *,
    beta: float = 1.0,
    gamma: float = 1.0,
    temperature: float = 1.0,
    floor: float = FLOOR,
    epsilon: float = EPSILON,
) -> Tensor:
    """T^2 * (beta * (1 - mean over samples of r) + gamma * (1 - mean over classes of r)) -> scalar.

    student, teacher: (batch, classes) logits; r is Pearson's correlation of the probabilities
    softmax(z / T), of a sample's row in the first term and of a class's column in the second. A
    batch of one has no columns to correlate and no second term.

    The authors' code is floor=0, epsilon=1e-8, where a head of zeros, the usual start, gets a
    gradient of 10^7. `floor` is the spread of logits below which a row or column counts as flat:
    the lengths are floored at what logits of that spread give around equal probabilities.
    No gradient reaches the teacher.
    """
    own = functional.softmax(student / temperature, dim=1)
    other = functional.softmax(teacher.detach() / temperature, dim=1)
    batch, classes = own.shape
    loss = beta * _apart(own, other, floor=floor * classes**-0.5, epsilon=epsilon)
    if batch > 1:
        columns = floor * batch**0.5 / classes
        loss = loss + gamma * _apart(own.t(), other.t(), floor=columns, epsilon=epsilon)
    return loss * temperature**2


def _apart(student: Tensor, teacher: Tensor, *, floor: float, epsilon: float) -> Tensor:
    """Mean over rows of one minus their correlation."""
    student = student - student.mean(dim=1, keepdim=True)
    teacher = teacher - teacher.mean(dim=1, keepdim=True)
    return misalignment(student, teacher, floor=floor, epsilon=epsilon).mean()
