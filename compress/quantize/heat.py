"""Files of one network by their speed: a first look, interleaved in one process."""

from __future__ import annotations

import random
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.quiet import exclusive_timing
from exporters.session import open_session

_ROUNDS, _LEAST_NS, _MOST_S = 30, 2_000_000, 6.0


def times_ms(
    files: Mapping[str, Path],
    feeds: Mapping[str, NDArray[Any]],
    *,
    threads: int,
    seed: int,
) -> dict[str, float]:
    """Lower quartile of one call of each, in ms. No verdict: that needs fresh processes.

    Blocks of all files in shuffled order, round after round, while the host's timing lock is held.
    """
    sessions = {name: open_session(path, threads=threads) for name, path in files.items()}
    given = dict(feeds)
    rng = random.Random(seed)
    names = list(sessions)
    samples: dict[str, list[float]] = {name: [] for name in names}
    with exclusive_timing(lambda: None):
        calls = {}
        for name in names:
            sessions[name].run(None, given)
            begun = time.perf_counter_ns()
            sessions[name].run(None, given)
            calls[name] = max(1, _LEAST_NS // max(time.perf_counter_ns() - begun, 1))
        end = time.monotonic() + _MOST_S * len(names)
        for done in range(_ROUNDS):
            if done >= 5 and time.monotonic() > end:
                break
            rng.shuffle(names)
            for name in names:
                begun = time.perf_counter_ns()
                for _ in range(calls[name]):
                    sessions[name].run(None, given)
                samples[name].append((time.perf_counter_ns() - begun) / calls[name] / 1e6)
    return {name: float(np.percentile(samples[name], 25)) for name in sessions}
