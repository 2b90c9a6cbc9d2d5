"""Time a unit and keep it: one JSON line, with the raw block medians of every epoch."""

from __future__ import annotations

import random
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from statistics import median

from benchmarks.compare import compare
from benchmarks.environment import read_environment
from benchmarks.epochs import run_epoch
from benchmarks.evidence.lines import Row, append_line, read_lines
from benchmarks.evidence.machine import Meter, Surroundings, surroundings
from benchmarks.evidence.networks import feed, write_pair
from benchmarks.evidence.plan import PARTS, Job, Part, Plan, Unit
from benchmarks.pace import STANDARD, Pace, even_calls, rounds_for
from benchmarks.probe import probe
from benchmarks.quiet import exclusive_timing
from benchmarks.staging import open_subjects, staged
from benchmarks.values import Setting
from exporters.atomic import write_text

SCHEMA = 1
Say = Callable[[str], None]
_SETTING = Setting(device="cpu", threads=1, batch=1)


def record_missing(
    path: Path,
    plan: Plan,
    *,
    say: Say,
    pace: Pace = STANDARD,
    until_s: float | None = None,
    parts: Sequence[Part] = PARTS,
) -> int:
    """Run every unit that the file lacks; each is appended when it ends. Returns how many ran.

    until_s: none is begun later than so many seconds from now. parts: units of these kinds alone.
    """
    begun, ran = time.monotonic(), 0
    path.parent.mkdir(parents=True, exist_ok=True)
    write_text(path, path.read_text(encoding="utf-8") if path.exists() else "")  # or fail now
    for unit in plan.units():
        if unit.kind not in parts or unit.name in {line["unit"] for line in read_lines(path)}:
            continue
        if until_s is not None and time.monotonic() - begun > until_s:
            break
        say(f"{unit.name}: {len(unit.jobs)} jobs")
        line = record_unit(unit, plan, say=say, pace=pace)
        append_line(path, line)
        say(f"{unit.name}: done in {line['seconds']:.0f} s")
        ran += 1
    return ran


def record_unit(unit: Unit, plan: Plan, *, say: Say, pace: Pace) -> Row:
    """One line. Holds the host's timing lock; what runs beside is measured, not assumed."""
    there = read_environment()
    with exclusive_timing(lambda: say("waiting for another measurement on this host")):
        begun, at = time.monotonic(), datetime.now(UTC)
        rows: list[Row] = []
        for job in unit.jobs:
            if time.monotonic() - begun > plan.unit_s:
                break
            with tempfile.TemporaryDirectory(prefix="distil-evidence-") as folder:
                files = write_pair(job.pair, Path(folder))
                with surroundings(job.condition) as meter:
                    timed = _live if unit.kind == "live" else _epochs
                    row = timed(job, files, meter, plan=plan, pace=pace)
            rows.append(_named(job) | row)
            say(f"  {job.pair.name} {job.condition}: {_progress(row)}")
        seconds = time.monotonic() - begun
    return {
        "schema": SCHEMA,
        "unit": unit.name,
        "kind": "live" if unit.kind == "live" else "epochs",
        "started_at": at.isoformat(timespec="seconds"),
        "seconds": round(seconds, 1),
        "boot": _boot(),
        "cpu_model": there.cpu_model,
        "cpu_flags": list(there.cpu_flags),
        "allowed_cpus": there.allowed_cpus,
        "platform": there.platform,
        "python": there.python,
        "versions": there.versions,
        "plan": asdict(plan),
        "pace": asdict(pace),
        "cut": len(rows) < len(unit.jobs),
        "rows": rows,
    }


def _named(job: Job) -> Row:
    pair = job.pair
    return {
        "pair": pair.name,
        "kind": pair.kind,
        "family": pair.family,
        "change": pair.change if pair.kind == "twin" else "one layer more",
        "depths": list(pair.depths),
        "condition": job.condition,
    }


def _epochs(job: Job, files: Sequence[Path], meter: Meter, *, plan: Plan, pace: Pace) -> Row:
    """Epochs of one pair as compare() makes them, kept one by one. The seed of the coin is new for
    every pair, and written down."""
    seed = random.SystemRandom().randrange(2**31)
    rng = random.Random(seed)
    artifacts = open_subjects({"reference": files[0], "candidate": files[1]})
    if artifacts["reference"].digest == artifacts["candidate"].digest:
        raise ValueError(f"{job.pair.name} is a copy, not a twin")
    epochs: list[Row] = []
    clean = 0
    with staged(artifacts, inputs=feed(job.pair), batches=[1]) as subjects:
        probed = {(i, 1): probe(s, _SETTING, pace=pace)[1] for i, s in enumerate(subjects)}
        calls = even_calls(probed)
        rounds = rounds_for(pace, calls=min(calls.values()), epochs=plan.epochs)
        while clean < plan.epochs and len(epochs) < plan.epochs + plan.spare:
            meter.begin()
            epoch = run_epoch(
                subjects,
                device="cpu",
                threads=1,
                calls=calls,
                rounds={1: rounds},
                rng=rng,
                pace=pace,
            )
            beside = meter.end()
            marked = job.condition == "idle" and beside.is_marked
            clean += not marked
            epochs.append(
                {
                    "first": epoch.order[0],
                    "a": [round(median(block)) for block in epoch.blocks[0, 1]],
                    "b": [round(median(block)) for block in epoch.blocks[1, 1]],
                    "marked": marked,
                    **_beside(beside),
                }
            )
    return {"seed": seed, "calls": [calls[0, 1], calls[1, 1]], "epochs": epochs}


def _live(job: Job, files: Sequence[Path], meter: Meter, *, plan: Plan, pace: Pace) -> Row:
    """What a user would have been told."""
    seed = random.SystemRandom().randrange(2**31)
    meter.begin()
    found = compare(
        files[0], files[1], inputs=feed(job.pair), seed=seed, limit_s=plan.live_s, pace=pace
    )
    beside = meter.end()
    return {
        "seed": seed,
        "marked": job.condition == "idle" and beside.is_marked,
        **_beside(beside),
        "verdict": found.verdict,
        "log_ratios": [round(value, 7) for value in found.log_ratios],
        "smallest_detectable": found.smallest_detectable,
    }


def _beside(beside: Surroundings) -> Row:
    return {
        "s": round(beside.seconds, 3),
        "load": round(beside.load, 2),
        "others": round(beside.others, 3),
        "steal": round(beside.steal, 4),
    }


def _progress(row: Row) -> str:
    if "verdict" in row:
        marked = ", marked" if row["marked"] else ""
        return f"{len(row['log_ratios'])} epochs in {row['s']:.0f} s{marked}"
    epochs = row["epochs"]
    marked = sum(epoch["marked"] for epoch in epochs)
    seconds = sum(epoch["s"] for epoch in epochs)
    return f"{len(epochs)} epochs in {seconds:.0f} s, {marked} marked"


def _boot() -> str:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return "unknown"
