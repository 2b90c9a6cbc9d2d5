"""What models answer, set against each other: accuracies, flips, metrics, slices, the ledger."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassChange:
    """How one class fares under the student. Accuracies in [0, 1]; flips are counts."""

    name: str
    samples: int
    teacher_accuracy: float | None
    student_accuracy: float
    lost: int  # teacher right, student wrong
    gained: int  # teacher wrong, student right


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricValue:
    """One metric of one file on the test split; low, high: one-sided 95 % bounds (bootstrap)."""

    metric: str  # of the catalogue, or ece
    value: float
    low: float
    high: float
    groups: int  # what was drawn with replacement
    resamples: int


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricChange:
    """One metric of two files on the same samples. difference is candidate minus reference.

    Bounds are one-sided 95 %, of one paired cluster bootstrap; no ratio at a reference of 0.
    """

    metric: str
    reference_value: float
    candidate_value: float
    difference: float
    difference_low: float
    difference_high: float
    ratio: float | None
    ratio_low: float | None
    ratio_high: float | None
    groups: int
    resamples: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Quality:
    """Accuracy of one ONNX file on the test split. Wilson 95 % interval, all in [0, 1]."""

    subject: str
    samples: int
    accuracy: float
    accuracy_low: float
    accuracy_high: float
    metrics: tuple[MetricValue, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class PairedQuality:
    """Student against teacher on the same samples. Differences are student minus teacher.

    difference_low_bound, difference_high_bound: one-sided 95 % bounds of the difference (Tango
    score), e.g. -0.018 and -0.009. A drop is met below the first, violated above the second. Where
    groups hold several samples these and the flips' bound are of a cluster bootstrap over groups.
    """

    reference: str
    candidate: str
    samples: int
    difference: float
    difference_low_bound: float
    difference_high_bound: float
    lost: int
    gained: int
    mcnemar_p: float
    negative_flip_rate: float
    negative_flip_rate_upper: float
    agreement: float
    classes: tuple[ClassChange, ...]
    groups: int | None = None  # None: one sample each
    metrics: tuple[MetricChange, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Fidelity:
    """How one file's embeddings keep the similarities of another's, on test samples.

    spearman: of the cosines of all pairs, with one-sided 95 % bounds over samples, or over groups
    where samples come in groups. neighbours_kept: part of the 10 nearest samples of each sample
    that are the same, in [0, 1].
    """

    reference: str
    candidate: str
    samples: int
    pairs: int
    spearman: float
    spearman_low_bound: float
    spearman_high_bound: float
    neighbours_kept: float
    groups: int | None = None  # None: each sample is its own


@dataclass(frozen=True, slots=True, kw_only=True)
class Slice:
    """One part of the test split, student against a reference. Counts are samples.

    kind: what it is by (class, brightness, confidence, length, corruption, or a column's name);
    spread: cluster-robust standard error of the difference, None for one sample per group.
    """

    kind: str
    name: str
    samples: int
    reference_right: int
    candidate_right: int
    lost: int
    gained: int
    lost_ids: tuple[int, ...]  # the first of them
    groups: int | None = None
    spread: float | None = None
    reference: str = "teacher"  # or baseline: whose answers the student's are set against


@dataclass(frozen=True, slots=True, kw_only=True)
class Added:
    """What one step of a run did to test accuracy: candidate minus reference, one-sided 95 %
    bounds."""

    step: str  # distillation, quantization of the student, quantization of the teacher
    reference: str
    candidate: str
    samples: int
    difference: float
    difference_low_bound: float
    difference_high_bound: float
    lost: int
    gained: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerStep:
    """One stop of the way from teacher to quantized file, on validation.

    lost, gained: against the stop before; None where single answers were not compared.
    """

    stop: str  # teacher, student as trained, exported, quantized
    samples: int
    accuracy: float
    lost: int | None = None
    gained: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeCost:
    """What it costs to quantize one operator, or those of one block, while all others stay in
    float. operators: how many; of a block, node is the path that their weights share.

    On validation samples. loss: mean KL divergence of the class probabilities from those of the
    file with nothing quantized, in nats; of embeddings 1 minus the mean cosine. changed: the part
    of the answers that are another class; of embeddings whose nearest other sample is another.
    """

    node: str
    operator: str
    loss: float
    changed: float
    samples: int
    operators: int = 1
    outputs: Literal["classes", "embeddings"] = "classes"
