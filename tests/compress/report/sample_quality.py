"""Accuracies of the sample report: 95.1 % and 92.6 % of 10,000, 305 answers lost, 55 gained."""

from __future__ import annotations

import dataclasses

from compress.values import ClassChange, MetricChange, PairedQuality, Quality

CLASSES = (
    "T-shirt/top",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
)
_METRICS = tuple(
    MetricChange(
        metric=metric,
        reference_value=teacher,
        candidate_value=student,
        difference=student - teacher,
        difference_low=student - teacher - spread,
        difference_high=student - teacher + spread,
        ratio=student / teacher,
        ratio_low=(student - spread) / teacher,
        ratio_high=(student + spread) / teacher,
        groups=10_000,
        resamples=10_000,
    )
    for metric, teacher, student, spread in (
        ("macro_f1", 0.9508, 0.9257, 0.0029),
        ("worst_class_accuracy", 0.849, 0.757, 0.015),
        ("nll", 0.1441, 0.2084, 0.0061),
        ("ece", 0.0121, 0.0187, 0.0034),
    )
)
_TEACHER_RIGHT = (914, 993, 933, 957, 931, 991, 849, 980, 992, 970)
_LOST = (38, 6, 46, 27, 41, 12, 98, 14, 7, 16)
_GAINED = (9, 2, 8, 7, 9, 4, 6, 5, 3, 2)


def sample_qualities(*, controls: bool) -> tuple[Quality, ...]:
    rows = [("teacher", 0.9510, 0.9466, 0.9551), ("student", 0.9260, 0.9207, 0.9310)]
    if controls:
        rows += [
            ("teacher int8", 0.9506, 0.9462, 0.9547),
            ("student on labels", 0.9214, 0.9160, 0.9265),
        ]
    return tuple(
        Quality(subject=s, samples=10_000, accuracy=a, accuracy_low=low, accuracy_high=high)
        for s, a, low, high in rows
    )


def sample_pairs(*, controls: bool) -> tuple[PairedQuality, ...]:
    classes = tuple(
        ClassChange(
            name=name,
            samples=1000,
            teacher_accuracy=right / 1000,
            student_accuracy=(right - lost + gained) / 1000,
            lost=lost,
            gained=gained,
        )
        for name, right, lost, gained in zip(CLASSES, _TEACHER_RIGHT, _LOST, _GAINED, strict=True)
    )
    student = PairedQuality(
        reference="teacher",
        candidate="student",
        samples=10_000,
        difference=-0.0250,
        difference_low_bound=-0.0279,
        difference_high_bound=-0.0222,
        lost=305,
        gained=55,
        mcnemar_p=1.4e-43,
        negative_flip_rate=0.0305,
        negative_flip_rate_upper=0.0335,
        agreement=0.9478,
        classes=classes,
        metrics=_METRICS,
    )
    if not controls:
        return (student,)
    return (
        student,
        dataclasses.replace(
            student,
            candidate="teacher int8",
            difference=-0.0004,
            difference_low_bound=-0.0013,
            difference_high_bound=0.0005,
            lost=17,
            gained=13,
            mcnemar_p=0.47,
            negative_flip_rate=0.0017,
            negative_flip_rate_upper=0.0027,
            agreement=0.9964,
            classes=(),
            metrics=(),
        ),
        dataclasses.replace(
            student,
            candidate="student on labels",
            difference=-0.0296,
            difference_low_bound=-0.0328,
            difference_high_bound=-0.0265,
            lost=361,
            gained=65,
            negative_flip_rate=0.0361,
            negative_flip_rate_upper=0.0393,
            agreement=0.9401,
            classes=(),
            metrics=(),
        ),
    )
