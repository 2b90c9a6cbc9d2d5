"""The sample report with names that try to be commands, markup or tables."""

from __future__ import annotations

import dataclasses

from compress.values import ClassChange, Report
from tests.compress.report.sample import sample_report

HOSTILE = "</script><b>|`x`\x1b[31m\n::error::\u202e%" + "long" * 60


def hostile_report() -> Report:
    """The sample with a hostile name wherever a name can be."""
    report = sample_report()
    pair = report.pairs[0]
    classes = (
        ClassChange(
            name=HOSTILE,
            samples=1000,
            teacher_accuracy=0.9,
            student_accuracy=0.7,
            lost=210,
            gained=10,
        ),
        *pair.classes,
    )
    return dataclasses.replace(
        report,
        name=HOSTILE,
        task=HOSTILE,
        recipe_text=HOSTILE,
        notes=(HOSTILE,),
        versions={HOSTILE: HOSTILE},
        pairs=(dataclasses.replace(pair, classes=classes), *report.pairs[1:]),
        verdicts=(
            dataclasses.replace(
                report.verdicts[3], budget=HOSTILE, reason=HOSTILE, observed=HOSTILE
            ),
            dataclasses.replace(report.verdicts[0], waiver=HOSTILE, status="waived"),
        ),
        decisions=(
            dataclasses.replace(
                report.decisions[0], question=HOSTILE, evidence={HOSTILE: [HOSTILE, 1.5]}
            ),
        ),
        stages=(
            dataclasses.replace(
                report.stages[0], stage=HOSTILE, why=HOSTILE, outputs={HOSTILE: "0"}
            ),
        ),
    )
