"""Simulated noise of a shared two-core machine, all in log latency: drift (Ornstein-Uhlenbeck),
AR(1), a slow regime (a neighbour), spikes (Pareto), white noise, an effect per process, and effects
of order and slot. The profile guides and the published rates below were made with it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.signal import lfilter

Floats = NDArray[np.float64]
STEP_S = 0.005  # one inference
ROUNDS, CALLS = 10, 12


@dataclass(frozen=True)
class Profile:
    drift: float = 0.05
    drift_s: float = 30
    ar: float = 0.015
    phi: float = 0.8
    regime: tuple[float, float, float] = (0.001, 0.01, 0.15)  # enter, leave, size
    spike: tuple[float, float, float] = (0.02, 0.2, 2.0)
    process: float = 0.008
    layout: tuple[float, float] = (0.05, 0.02)
    order: float = 0.003
    slot: float = 0.002
    white: float = 0.015


TYPICAL = Profile()


def epochs_of_twins(count: int, sequences: int, *, seed: int, profile: Profile = TYPICAL) -> Floats:
    """(sequences, count) log ratios of twins; add log1p(x) for a slow-down of x."""
    rng = np.random.default_rng(seed)
    machine = _Machine(rng, sequences, profile)
    return np.stack([machine.epoch() for _ in range(count)], axis=1)


class _Machine:
    def __init__(self, rng: np.random.Generator, sequences: int, profile: Profile) -> None:
        self.rng, self.size, self.p = rng, sequences, profile
        enter, leave, _ = profile.regime
        self.drift = rng.standard_normal(sequences) * profile.drift
        self.ar = rng.standard_normal(sequences) * profile.ar
        self.slow = rng.random(sequences) < enter / (enter + leave)

    def epoch(self) -> Floats:
        rng, size, p = self.rng, self.size, self.p
        self._pause(2.0)
        coin = rng.random(size) < 0.5
        calls = self._noise(2 * ROUNDS * CALLS).reshape(size, ROUNDS, 2, CALLS)
        first, second = self._process() + p.slot, self._process()
        calls[:, :, 1] += p.order
        blocks = np.median(calls, axis=3)
        forth = np.arange(ROUNDS) % 2 == 0
        one = np.where(forth, blocks[:, :, 0], blocks[:, :, 1]) + first[:, None]
        two = np.where(forth, blocks[:, :, 1], blocks[:, :, 0]) + second[:, None]
        quads = (one - two).reshape(size, ROUNDS // 2, 2).mean(axis=2)
        found = np.median(quads, axis=1)
        return np.where(coin, found, -found)

    def _process(self) -> Floats:
        chance, size = self.p.layout
        drawn = self.rng.standard_normal(self.size) * self.p.process
        return drawn + (self.rng.random(self.size) < chance) * size

    def _pause(self, seconds: float) -> None:
        keep = np.exp(-seconds / self.p.drift_s)
        drawn = self.rng.standard_normal(self.size)
        self.drift = keep * self.drift + np.sqrt(1 - keep * keep) * self.p.drift * drawn
        self.ar = self.rng.standard_normal(self.size) * self.p.ar
        enter, leave, _ = self.p.regime
        stays = self.rng.random(self.size) < np.exp(-seconds / STEP_S * (enter + leave))
        fresh = self.rng.random(self.size) < enter / (enter + leave)
        self.slow = np.where(stays, self.slow, fresh)

    def _noise(self, steps: int) -> Floats:
        rng, p, shape = self.rng, self.p, (self.size, steps)
        keep = np.exp(-STEP_S / p.drift_s)
        pushed = rng.standard_normal(shape) * p.drift * np.sqrt(1 - keep * keep)
        drift, _ = lfilter([1], [1, -keep], pushed, axis=1, zi=(keep * self.drift)[:, None])
        pushed = rng.standard_normal(shape) * p.ar * np.sqrt(1 - p.phi**2)
        near, _ = lfilter([1], [1, -p.phi], pushed, axis=1, zi=(p.phi * self.ar)[:, None])
        enter, leave, size = p.regime
        chances, slow = rng.random((steps, self.size)), np.empty((steps, self.size), dtype=bool)
        for step in range(steps):
            self.slow = np.where(self.slow, chances[step] > leave, chances[step] < enter)
            slow[step] = self.slow
        self.drift, self.ar = drift[:, -1], near[:, -1]
        chance, scale, tail = p.spike
        spikes = (rng.random(shape) < chance) * scale * (rng.pareto(tail, shape) + 0.2)
        white = rng.standard_normal(shape) * p.white
        noise: Floats = drift + near + slow.T * size + np.log1p(spikes) + white
        return noise
