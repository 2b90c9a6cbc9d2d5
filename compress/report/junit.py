"""Verdicts as JUnit XML, which every CI system shows."""

from __future__ import annotations

from xml.etree.ElementTree import Element, SubElement, indent, tostring

from compress.report.plain_text import visible
from compress.values import Report, Verdict


def render_junit(report: Report) -> str:
    """One testsuite, one testcase per budget.

    A budget of level `error`: violated is a failure, unmeasured an error, inconclusive and waived
    are skipped. A budget of level `warn` or `off` never fails the suite: it is skipped and says so.
    """
    root = Element("testsuites", name="distil")
    suite = SubElement(
        root,
        "testsuite",
        name=visible(f"distil.gate.{report.name}"),
        timestamp=visible(report.created_at.removesuffix("Z")),
    )
    counts = dict.fromkeys(("failure", "error", "skipped"), 0)
    for verdict in report.verdicts:
        kind = _add_case(suite, verdict, report.name)
        if kind is not None:
            counts[kind] += 1
    for element in (root, suite):
        element.set("tests", str(len(report.verdicts)))
        element.set("failures", str(counts["failure"]))
        element.set("errors", str(counts["error"]))
    suite.set("skipped", str(counts["skipped"]))
    suite.set("time", f"{sum(s.seconds for s in report.stages):.3f}")
    indent(root)
    return '<?xml version="1.0" encoding="utf-8"?>\n' + tostring(root, encoding="unicode") + "\n"


def _add_case(suite: Element, verdict: Verdict, model: str) -> str | None:
    case = SubElement(
        suite,
        "testcase",
        name=visible(verdict.budget),
        classname=visible(f"distil.gate.{model}"),
        time="0",
    )
    properties = SubElement(case, "properties")
    for name in ("metric", "observed", "limit", "margin", "status", "level"):
        SubElement(properties, "property", name=name, value=visible(str(getattr(verdict, name))))
    kind = _kind(verdict)
    if kind is not None:
        outcome = SubElement(case, kind, message=visible(_message(verdict)))
        if kind != "skipped":
            outcome.set("type", "budget")
            outcome.text = visible(verdict.reason)
    return kind


def _kind(verdict: Verdict) -> str | None:
    if verdict.status == "pass" and verdict.level != "off":
        return None
    if verdict.level != "error" or verdict.status in ("inconclusive", "waived"):
        return "skipped"
    return "failure" if verdict.status == "violated" else "error"


def _message(verdict: Verdict) -> str:
    level = "" if verdict.level == "error" else f" (level {verdict.level})"
    if verdict.status == "unmeasured":
        return f"unmeasured{level}: {verdict.reason}"
    words = f"{verdict.status}{level}: {verdict.observed}, limit {verdict.limit}"
    if verdict.waiver:
        return f"{words}; waived {verdict.waiver}"
    return f"{words}; {verdict.reason}" if verdict.status == "inconclusive" else words
