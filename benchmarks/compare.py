"""Is one ONNX file slower or faster than another? As many epochs as the answer needs."""

from __future__ import annotations

import math
import random
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from benchmarks.devices import check_device
from benchmarks.epochs import run_epoch
from benchmarks.feeds import Inputs
from benchmarks.pace import QUICK, STANDARD, Pace, even_calls, rounds_for
from benchmarks.probe import probe
from benchmarks.question import Question
from benchmarks.quiet import exclusive_timing
from benchmarks.staging import open_subjects, staged
from benchmarks.stats import (
    LOOKS,
    compare_test,
    limit_test,
    median,
    median_interval,
    smallest_detectable,
)
from benchmarks.values import Comparison, Setting
from exporters.cpus import check_threads
from exporters.events import Event

_IS_SLOWER = Question()


def compare(
    reference: Path,
    candidate: Path,
    *,
    inputs: Inputs,
    seed: int,
    device: str = "cpu",
    batch: int = 1,
    threads: int = 1,
    cpu_nodes: int = 0,
    most_epochs: int = LOOKS[-1],
    limit_s: float = 300.0,
    resolve: bool = False,
    change: float | None = None,
    limit: float | Sequence[float] | None = None,
    tests: int = 1,
    aa: bool = False,
    pace: Pace = STANDARD,
    on_event: Callable[[Event], None] | None = None,
) -> Comparison:
    """candidate against reference at one setting: fresh process pairs until the sequential test
    answers, most_epochs are done or limit_s is over (then "inconclusive").

    resolve: go on past "no-slower" until "faster", until a change of this size (0.02: 2 %) would
    have been seen, or the last look. limit: a ratio of times (1.02, 1 / 8), or several, that are to
    be met or violated, and end the run; tests: how many limits share the level. cpu_nodes: how many
    nodes of each model a GPU may leave to the CPU. Same bytes: "identical", and nothing is timed,
    unless aa. Raises as measure does.
    """
    limits = () if limit is None else (limit,) if isinstance(limit, int | float) else tuple(limit)
    question = Question(resolve=resolve, change=change, limits=limits, tests=tests)
    tell = on_event or (lambda event: None)
    check_threads(threads)
    check_device(device, {"onnxruntime"})
    artifacts = open_subjects({"reference": Path(reference), "candidate": Path(candidate)})
    names = _names(Path(reference), Path(candidate))
    setting = Setting(device=device, threads=threads, batch=batch)
    if artifacts["reference"].digest == artifacts["candidate"].digest and not aa:
        return identical(*names, setting=setting, limit=question.limit)

    def waiting() -> None:
        tell(Event("progress", "compare", "waiting for another measurement on this host"))

    ratios: list[float] = []
    with staged(artifacts, inputs=inputs, batches=[batch]) as subjects, exclusive_timing(waiting):
        begun = time.monotonic()
        rng = random.Random(seed)
        probed = {
            (index, batch): probe(subject, setting, pace=pace, cpu_nodes=cpu_nodes)[1]
            for index, subject in enumerate(subjects)
        }
        calls = even_calls(probed)
        rounds = rounds_for(pace, calls=min(calls.values()), epochs=most_epochs)
        # One epoch always: a limit that is over before it would leave nothing to report.
        while not ratios or (len(ratios) < most_epochs and time.monotonic() - begun < limit_s):
            epoch = run_epoch(
                subjects,
                device=device,
                threads=threads,
                calls=calls,
                rounds={batch: rounds},
                rng=rng,
                pace=pace,
                cpu_nodes=cpu_nodes,
            )
            ratios.append(epoch.log_ratio(0, 1, batch))
            done = len(ratios) / most_epochs
            tell(Event("progress", "compare", f"epoch {len(ratios)}", done))
            if question.is_look(len(ratios)) and question.is_answered(ratios, seed=seed):
                break
    return comparison(*names, setting=setting, log_ratios=ratios, seed=seed, question=question)


def quick_compare(
    reference: Path,
    candidate: Path,
    *,
    inputs: Inputs,
    batch: int,
    threads: int,
    seed: int,
    device: str = "cpu",
    cpu_nodes: int = 0,
    most_epochs: int = 16,
    pace: Pace = QUICK,
    on_event: Callable[[Event], None] | None = None,
) -> Comparison:
    """compare() for a difference of tens of percent, as in "is int8 faster than float?"."""
    return compare(
        reference,
        candidate,
        inputs=inputs,
        batch=batch,
        threads=threads,
        seed=seed,
        device=device,
        cpu_nodes=cpu_nodes,
        most_epochs=most_epochs,
        pace=pace,
        on_event=on_event,
    )


def comparison(
    reference: str,
    candidate: str,
    *,
    setting: Setting,
    log_ratios: Sequence[float],
    seed: int,
    question: Question = _IS_SLOWER,
) -> Comparison:
    """Verdict, speed-up and nominal 95 % interval from one log ratio per epoch."""
    low, high = median_interval(log_ratios, seed=seed)
    return Comparison(
        reference=reference,
        candidate=candidate,
        setting=setting,
        log_ratios=tuple(log_ratios),
        speedup=math.exp(-median(log_ratios)),
        speedup_low=math.exp(-high),
        speedup_high=math.exp(-low),
        verdict=compare_test(log_ratios, tests=question.tests, seed=seed, resolve=question.resolve),
        smallest_detectable=smallest_detectable(log_ratios, seed=seed),
        limit=question.limit,
        limit_verdict=None
        if question.limit is None
        else limit_test(log_ratios, question.limit, tests=question.tests, seed=seed),
    )


def identical(
    reference: str, candidate: str, *, setting: Setting, limit: float | None = None
) -> Comparison:
    """Same bytes: nothing was timed, and no epoch counts in any error rate."""
    return Comparison(
        reference=reference,
        candidate=candidate,
        setting=setting,
        log_ratios=(),
        speedup=1.0,
        speedup_low=1.0,
        speedup_high=1.0,
        verdict="identical",
        smallest_detectable=None,
        limit=limit,
        limit_verdict=None if limit is None else "met" if limit >= 1 else "violated",
    )


def _names(reference: Path, candidate: Path) -> tuple[str, str]:
    """File names where they differ, else the paths as given."""
    if reference.name != candidate.name:
        return reference.name, candidate.name
    return str(reference), str(candidate)
