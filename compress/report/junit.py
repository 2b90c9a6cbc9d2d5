"""The verdicts of a run as JUnit XML: the same file that `distil gate --format junit` writes."""

from __future__ import annotations

from compress.gate.formats import junit
from compress.gate.result import GateResult
from compress.values import Report


def render_junit(report: Report) -> str:
    """One testsuite, one testcase per budget. compress.gate.formats says what fails and why."""
    return junit(GateResult(path="", name=report.name, digest=None, verdicts=report.verdicts))
