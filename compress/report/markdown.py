"""The report as Markdown: short enough for a pull request, complete enough to decide on."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from compress.gate.escape import markdown
from compress.report import quantities as q
from compress.report.charts.classes import change_of, worst_first
from compress.report.entries import Entry
from compress.report.evidence import evidence_words
from compress.report.gpu import gpu_section
from compress.report.outcome import outcome
from compress.report.plain_text import one_line
from compress.report.scenarios import (
    added_rows,
    ledger_rows,
    metric_rows,
    slice_rows,
    slices_sentence,
)
from compress.report.subject_table import subject_table
from compress.report.subjects import STUDENT, pair_of
from compress.values import NodeCost, Report

_CLASSES = 10
_NODES = 4


def render_markdown(report: Report) -> str:
    """report.md. Names from data are escaped: they can't break a table or bring markup."""
    parts = [
        f"# {escape(report.name)}",
        _verdict_line(report),
        _budgets(report),
        _subjects(report),
        _gpu(report),
        _answers(report),
        _classes(report),
        _slices(report),
        _metrics(report),
        _ledger(report),
        _decisions(report),
        _notes(report),
        _provenance(report),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def escape(text: str) -> str:
    """One line without markup, and nobody is mentioned by it."""
    return markdown(one_line(text))


def _table(head: Sequence[str], rows: Iterable[Sequence[str]], *, align: str) -> str:
    """align: one letter per column, l or r. Cells are escaped already."""
    marks = {"l": "---", "r": "--:"}
    lines = [head, [marks[a] for a in align], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _verdict_line(report: Report) -> str:
    found = outcome(report.verdicts)
    return f"**{found.sentence}**" + (f" ({found.counts})" if found.counts else "")


def _budgets(report: Report) -> str:
    if not report.verdicts:
        return ""
    rows = [
        [
            escape(v.budget) + ("" if v.level == "error" else f" ({v.level})"),
            escape(v.observed),
            escape(v.limit),
            escape(v.margin),
            f"**{v.status}**" if v.status != "pass" else v.status,
            escape(v.reason) + (f"; waived {escape(v.waiver)}" if v.waiver else ""),
        ]
        for v in report.verdicts
    ]
    head = ("Budget", "Observed", "Limit", "Margin", "Verdict", "How it was judged")
    return "## Budgets\n\n" + _table(head, rows, align="lrrrll")


def _subjects(report: Report) -> str:
    table = subject_table(report)
    if not table.rows:
        return ""
    rows = [
        [f"{escape(row.label)}, {escape(row.detail)}", *map(_entry, row.entries)]
        for row in table.rows
    ]
    head = ("", *map(escape, table.subjects))
    return "## Measured\n\n" + _table(head, rows, align="l" + "r" * len(table.subjects))


def _entry(entry: Entry | None) -> str:
    if entry is None:
        return ""
    floor = f"empty model: {entry.floor}" if entry.floor else ""
    beside = (entry.change, entry.interval, entry.seen, floor)
    extra = ", ".join(text for text in beside if text)
    return f"{entry.text} ({extra})" if extra else entry.text


def _gpu(report: Report) -> str:
    found = gpu_section(report.measured)
    if found is None:
        return ""
    parts = ["## On the GPU", *(f"**{escape(warning)}**" for warning in found.warnings)]
    rows = [
        [
            escape(row.subject),
            escape(row.where),
            row.whole + (f" (empty model: {row.floor})" if row.floor else ""),
            row.alone,
            row.memory,
            "not told" if row.nodes is None else _nodes(row.nodes),
        ]
        for row in found.rows
    ]
    head = ("Model", "Where", "p50", "On the device", "Its memory", "Nodes elsewhere")
    parts += [_table(head, rows, align="llrrrl")] if rows else []
    for log in found.logs:
        facts = [f"{what} {number} ({spread})" for what, number, spread in log.facts]
        said = "; ".join([log.detail, *facts, *([log.note] if log.note else [])])
        parts.append(f"{escape(log.heading)}: {escape(said)}")
    return "\n\n".join(parts)


def _nodes(nodes: tuple[str, ...]) -> str:
    more = f" and {len(nodes) - _NODES} more" if len(nodes) > _NODES else ""
    named = ", ".join(map(escape, nodes[:_NODES]))
    return f"{len(nodes)}: {named}{more}" if nodes else "0"


def _answers(report: Report) -> str:
    pair = pair_of(report, STUDENT)
    if pair is None:
        return ""
    samples, right = q.count(pair.samples), "teacher right, student wrong"
    low, high = q.points(pair.difference_low_bound), q.points(pair.difference_high_bound)
    lines = [
        f"- difference {q.points(pair.difference)} ({low} to {high}, one-sided 95 % each)",
        f"- negative flips ({right}): {q.count(pair.lost)} of {samples}, "
        f"{q.percent(pair.negative_flip_rate)}, at most {q.percent(pair.negative_flip_rate_upper)}",
        f"- McNemar: {q.count(pair.lost)} lost, {q.count(pair.gained)} gained, "
        f"mid-p {pair.mcnemar_p:.2g}",
        f"- the same answer on {q.percent(pair.agreement)}",
    ]
    return "## What got better, what got worse\n\n" + "\n".join(lines)


def _classes(report: Report) -> str:
    pair = pair_of(report, STUDENT)
    if pair is None or not pair.classes:
        return ""
    ordered = worst_first(pair.classes)
    rows = []
    for row in ordered[:_CLASSES]:
        change = change_of(row)
        rows.append(
            [
                escape(row.name),
                "" if row.teacher_accuracy is None else q.percent(row.teacher_accuracy, 1),
                q.percent(row.student_accuracy, 1),
                "" if change is None else q.points(change, 1),
                q.count(row.lost),
                q.count(row.gained),
            ]
        )
    head = ("Class", "Teacher", "Student", "Change", "Lost", "Gained")
    more = len(ordered) - len(rows)
    return (
        "## Accuracy per class, worst change first\n\n"
        + _table(head, rows, align="lrrrrr")
        + (f"\n\n{more} more classes are in report.json." if more else "")
    )


def _slices(report: Report) -> str:
    rows = slice_rows(report)
    if not rows:
        return ""
    shown = [
        [
            escape(row.name),
            q.count(row.samples),
            q.percent(row.reference_accuracy, 1),
            q.percent(row.candidate_accuracy, 1),
            q.points(row.change, 1),
            f"**{row.words}**" if row.status == "violated" else row.words,
        ]
        for row in rows[:_CLASSES]
    ]
    more = len(rows) - len(shown)
    return (
        "## Slices, worst first\n\n"
        + f"{escape(slices_sentence(report, rows))}\n\n"
        + _table(
            ("Slice", "Samples", "Teacher", "Student", "Change", "Verdict"), shown, align="lrrrrl"
        )
        + (f"\n\n{more} more slices are in report.json." if more > 0 else "")
    )


def _metrics(report: Report) -> str:
    rows = [[m.label, m.reference, m.candidate, m.change, m.interval] for m in metric_rows(report)]
    head = ("Metric", "Teacher", "Student", "Change", "At worst and best (95 %)")
    return "## Other metrics\n\n" + _table(head, rows, align="lrrrr") if rows else ""


def _ledger(report: Report) -> str:
    rows = [[escape(r.stop), r.accuracy, r.change, r.flips] for r in ledger_rows(report)]
    if not (rows or report.node_costs):
        return ""
    head = ("On validation", "Accuracy", "Change", "Answers")
    parts = ["## Where accuracy went", _table(head, rows, align="lrrl")] if rows else []
    parts = parts or ["## What quantization costs"]  # embeddings are neither right nor wrong
    added = [[escape(r.step), r.change, r.interval, r.flips] for r in added_rows(report)]
    if added:
        names = ("What it added on test", "Accuracy", "One-sided 95 % bounds", "Answers")
        parts.append(_table(names, added, align="lrrl"))
    for costly, how in (
        ([c for c in report.node_costs if c.operators == 1], "each alone"),
        ([c for c in report.node_costs if c.operators > 1], "each block alone"),
    ):
        if costly:
            told = ", ".join(
                f"{escape(c.operator)} `{_code(c.node)}` {_loss(c)}" for c in costly[:3]
            )
            parts.append(f"Most costly to quantize, {how}: {told}.")
    return "\n\n".join(parts)


def _loss(cost: NodeCost) -> str:
    return f"{cost.loss:.2g} {'nats' if cost.outputs == 'classes' else 'of cosine'}"


def _decisions(report: Report) -> str:
    if not report.decisions:
        return ""
    lines = []
    for d in report.decisions:
        evidence = "; ".join(f"{escape(k)} {escape(v)}" for k, v in evidence_words(d.evidence))
        pinned = " (pinned in the recipe)" if d.pinned else ""
        lines.append(
            f"- {escape(d.question)}: **{escape(d.chosen)}**{pinned}. {escape(d.reason)}"
            + (f" ({evidence})" if evidence else "")
        )
    return "## Decisions\n\n" + "\n".join(lines)


def _notes(report: Report) -> str:
    return (
        "## Good to know\n\n" + "\n".join(f"- {escape(n)}" for n in report.notes)
        if report.notes
        else ""
    )


def _provenance(report: Report) -> str:
    lines = [
        f"- created {escape(report.created_at)}, seed {report.seed}",
        f"- recipe `{_code(report.recipe_digest)}`, data `{_code(report.data_fingerprint)}`",
        "- " + escape(", ".join(f"{name} {version}" for name, version in report.versions.items())),
    ]
    if report.measured is not None:
        e = report.measured.environment
        flags = ", ".join(e.cpu_flags)
        lines.append(f"- {escape(e.cpu_model)}, {e.allowed_cpus} allowed CPUs; {escape(flags)}")
    computed = [s for s in report.stages if not s.hit]
    if report.stages:
        spent = q.seconds(sum(s.seconds for s in computed))
        lines.append(
            f"- {len(computed)} of {len(report.stages)} stages computed in {spent}, the rest stored"
        )
    return "## Where it comes from\n\n" + "\n".join(lines)


def _code(text: str) -> str:
    return one_line(text).replace("`", "'")
