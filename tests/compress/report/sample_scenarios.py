"""What the sample report knows of slices, of the ledger, of each step and of each operator."""

from __future__ import annotations

from compress.values import Added, LedgerStep, NodeCost, Slice

SLICE_DROP = 0.035


def sample_slices() -> tuple[Slice, ...]:
    """Against a drop of 3.5 pp: two lose more for certain, one is likely, one is too small."""
    rows = (
        ("class", "Shirt", 1000, 849, 98, 6),
        ("class", "Pullover", 1000, 933, 46, 8),
        ("class", "Bag", 1000, 992, 7, 3),
        ("brightness", "darkest fifth", 2000, 1886, 148, 10),
        ("brightness", "brightest fifth", 2000, 1914, 41, 12),
        ("confidence", "least confident fifth", 2000, 1588, 180, 42),
        ("corruption", "gaussian noise", 10_000, 9204, 402, 61),
        ("region", "north", 12, 11, 2, 0),
    )
    return tuple(
        Slice(
            kind=kind,
            name=name,
            samples=samples,
            reference_right=right,
            candidate_right=right - lost + gained,
            lost=lost,
            gained=gained,
            lost_ids=tuple(range(7, 7 + 3 * min(lost, 20), 3)),
        )
        for kind, name, samples, right, lost, gained in rows
    )


def sample_ledger() -> tuple[LedgerStep, ...]:
    """From 95.46 % of the teacher to 92.77 % of the quantized file, on 5,000."""
    rows = (
        ("teacher", 0.9546, None, None),
        ("student as trained", 0.9285, 158, 28),
        ("exported", 0.9285, 0, 0),
        ("quantized", 0.9277, 19, 15),
    )
    return tuple(
        LedgerStep(stop=stop, samples=5000, accuracy=accuracy, lost=lost, gained=gained)
        for stop, accuracy, lost, gained in rows
    )


def sample_added() -> tuple[Added, ...]:
    """Distillation gave 0.46 pp, quantization took 0.07 pp, both on test."""
    rows = (
        ("distillation", "student on labels", "student float32", 0.0053, 98, 151),
        ("quantization of the student", "student float32", "student", -0.0007, 31, 24),
    )
    return tuple(
        Added(
            step=step,
            reference=reference,
            candidate=candidate,
            samples=10_000,
            difference=difference,
            difference_low_bound=difference - 0.0026,
            difference_high_bound=difference + 0.0026,
            lost=lost,
            gained=gained,
        )
        for step, reference, candidate, difference, lost, gained in rows
    )


def sample_node_costs() -> tuple[NodeCost, ...]:
    """Operators and one block, the most costly first."""
    rows = (
        ("/stem/conv/Conv", "Conv", 0.0127, 0.0313, 1),
        ("/head/Gemm", "Gemm", 0.0048, 0.0117, 1),
        ("/stages/1", "Conv", 0.0031, 0.0098, 4),
        ("/stages/0/conv2/Conv", "Conv", 0.0009, 0.0039, 1),
    )
    return tuple(
        NodeCost(
            node=node, operator=operator, loss=loss, changed=changed, samples=512, operators=count
        )
        for node, operator, loss, changed, count in rows
    )
