"""The page of docs/results: rates, bounds and counts, beside what they must be."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import median

from benchmarks.evidence.lines import Row
from benchmarks.evidence.machine import CONDITIONS, MOST_OTHERS, MOST_STEAL
from benchmarks.evidence.networks import KINDS, Kind
from benchmarks.evidence.replay import (
    MUSTS,
    SEQUENCES,
    WANTED,
    Rate,
    Recorded,
    binomial_bound,
    rate,
    recorded,
)

TITLES: dict[Kind, str] = {
    "twin": "twins, called different",
    "plus2": "50 against 51 layers (+2 %), found",
    "plus5": "20 against 21 layers (+5 %), found",
}

# The margin of the rule was chosen by the epochs of these units: they can't confirm it.
CHOSEN_BY = ("idle-0", *(f"busy-{number}" for number in range(6)))
_RATE_HEAD = (
    "| pairs | machine | epochs | pairs, series | rate | must | bound by pair | by series "
    "| worst pair | epochs to an answer | without resampling |",
    "|---|---|---|---|---|---|---|---|---|---|---|",
)


def summarise(
    lines: Sequence[Row], *, source: Path, seed: int = 0, sequences: int = SEQUENCES
) -> str:
    """Markdown. Also of an incomplete file: then it says how much is there."""
    rows = recorded(lines)
    rates = tuple(_rates(rows, seed=seed, sequences=sequences, clean=True))
    text = [
        "# How often a verdict on speed is wrong",
        "",
        f"Made by `python -m benchmarks.evidence` from `{source.name}` (raw block medians of every "
        "epoch, with load and steal beside each).",
        "",
        *_machines(lines),
        "",
        f"## The rule on {sequences:,} resampled sequences",
        "",
        "Each sequence is drawn from the epochs of one pair, signs as recorded. Bounds: one-sided, "
        "95 %, whole pairs or whole series resampled; the last column uses no epoch twice "
        "(sequences of 10, binomial).",
        "",
        *_RATE_HEAD,
        *_rate_rows(rates),
        "",
        *_by_pair(rates),
        "",
        f"An idle epoch is marked when other processes used more than {MOST_OTHERS:.0%} of a CPU "
        f"or the host took more than {MOST_STEAL:.0%} of one. It is marked as it is recorded, by "
        "these numbers alone, and left out above.",
        "",
        *_with_marked(rows, seed=seed, sequences=sequences),
        *_unseen(lines, seed=seed, sequences=sequences),
        "## Live comparisons",
        "",
        "`compare()` as a user calls it, each on a pair that is in no replay.",
        "",
        "| pairs | machine | comparisons | wanted word | bound | words | median time |",
        "|---|---|---|---|---|---|---|",
        *_live_rows(lines),
        "",
        "## What was built, and what was seen",
        "",
        "| pairs | by construction | median of all epochs | spread of an epoch |",
        "|---|---|---|---|",
        *_seen(rows),
        "",
    ]
    return "\n".join(text)


def _machines(lines: Sequence[Row]) -> Iterator[str]:
    for model in sorted({line["cpu_model"] for line in lines}):
        own = [line for line in lines if line["cpu_model"] == model]
        boots = len({line["boot"] for line in own})
        spent = sum(line["seconds"] for line in own) / 60
        versions = ", ".join(sorted({line["versions"]["onnxruntime"] for line in own}))
        cpus = "/".join(sorted({str(line["allowed_cpus"]) for line in own}))
        yield (
            f"- {model}, {cpus} allowed CPUs, onnxruntime {versions}: {len(own)} units in "
            f"{spent:.0f} min on {boots} boot{'s' if boots > 1 else ''}, "
            f"{min(line['started_at'] for line in own)} to "
            f"{max(line['started_at'] for line in own)}"
        )


def _rates(rows: Sequence[Recorded], *, seed: int, sequences: int, clean: bool) -> Iterator[Rate]:
    for kind in KINDS:
        for condition in CONDITIONS:
            own = [row for row in rows if (row.kind, row.condition) == (kind, condition)]
            found = rate(own, seed=seed, sequences=sequences, clean=clean)
            if found is not None:
                yield found


def _rate_rows(rates: Sequence[Rate]) -> Iterator[str]:
    for found in rates:
        twin = found.kind == "twin"
        worst = (max if twin else min)(found.by_pair.items(), key=lambda item: item[1])
        sign = "≤" if twin else "≥"
        trials, hits = found.disjoint
        yield (
            f"| {TITLES[found.kind]} | {found.condition} | {found.epochs} "
            f"| {found.pairs}, {found.series} | **{found.rate:.2%}** "
            f"| {sign} {MUSTS[found.kind]:.0%}: {'met' if found.is_met else 'NOT met'} "
            f"| {sign} {found.bound_by_pair:.2%} | {sign} {found.bound_by_series:.2%} "
            f"| {worst[0]}: {worst[1]:.1%} | {found.mean_epochs:.1f} "
            f"| {hits} of {trials}, {sign} {found.disjoint_bound:.1%} |"
        )


def _by_pair(rates: Sequence[Rate]) -> Iterator[str]:
    """Every pair's own rate, folded away: (rate, epochs) per condition."""
    yield "<details><summary>The rate of each pair, and of how many epochs</summary>"
    yield ""
    yield f"| pair | {' | '.join(CONDITIONS)} |"
    yield f"|---|{'---|' * len(CONDITIONS)}"
    for kind in KINDS:
        own = {found.condition: found for found in rates if found.kind == kind}
        names = dict.fromkeys(name for found in own.values() for name in found.by_pair)
        for name in sorted(names, key=lambda name: int(name.rpartition("-")[2])):
            cells = [
                f"{found.by_pair[name]:.1%}, {found.pair_epochs[name]}"
                if (found := own.get(condition)) is not None and name in found.by_pair
                else "-"
                for condition in CONDITIONS
            ]
            yield f"| {name} | {' | '.join(cells)} |"
    yield ""
    yield "</details>"


def _with_marked(rows: Sequence[Recorded], *, seed: int, sequences: int) -> Iterator[str]:
    for found in _rates(rows, seed=seed, sequences=sequences, clean=False):
        if found.condition == "idle" and found.marked:
            yield (
                f"With the {found.marked} marked epochs of {TITLES[found.kind]}: {found.rate:.2%}."
            )
            yield ""


def _unseen(lines: Sequence[Row], *, seed: int, sequences: int) -> Iterator[str]:
    rows = recorded([line for line in lines if line["unit"] not in CHOSEN_BY])
    if rows:
        yield "## The same without the units by which the margin was chosen"
        yield ""
        yield f"Left out: {', '.join(CHOSEN_BY)} (docs/measuring.md)."
        yield ""
        yield from _RATE_HEAD
        yield from _rate_rows(tuple(_rates(rows, seed=seed, sequences=sequences, clean=True)))
        yield ""


def _live_rows(lines: Sequence[Row]) -> Iterator[str]:
    live = [row for line in lines if line["kind"] == "live" for row in line["rows"]]
    for kind in KINDS:
        for conditions in (*((one,) for one in CONDITIONS), CONDITIONS):
            # A comparison without timed epochs counts in no rate.
            own = [
                row
                for row in live
                if row["kind"] == kind and row["condition"] in conditions and row["log_ratios"]
            ]
            if len({row["condition"] for row in own}) < len(conditions):
                continue
            hits = sum(row["verdict"] in WANTED[kind] for row in own)
            bound = binomial_bound(len(own), hits, upward=kind == "twin")
            marked = sum(row["marked"] for row in own)
            words: dict[str, int] = {}
            for row in own:
                words[row["verdict"]] = words.get(row["verdict"], 0) + 1
            told = ", ".join(f"{word} {count}" for word, count in sorted(words.items()))
            yield (
                f"| {TITLES[kind]} | {' and '.join(conditions)} | {len(own)}"
                f"{f' ({marked} marked)' if marked else ''} | {hits} "
                f"| {'≤' if kind == 'twin' else '≥'} {bound:.1%} | {told} "
                f"| {median(row['s'] for row in own):.0f} s |"
            )


def _seen(rows: Sequence[Recorded]) -> Iterator[str]:
    built = {"twin": "+0.00 %", "plus2": "+2.00 %", "plus5": "+5.00 %"}
    for kind in KINDS:
        for condition in CONDITIONS:
            values = [
                value
                for row in rows
                if (row.kind, row.condition) == (kind, condition)
                for value in row.clean
            ]
            if values:
                middle = median(values)
                spread = 1.4826 * median(abs(value - middle) for value in values)
                yield (
                    f"| {TITLES[kind].split(',')[0]}, {condition} | {built[kind]} "
                    f"| {math.expm1(middle):+.2%} | {spread:.2%} |"
                )
