"""What a candidate will take, by the shapes of its operators, fitted to those already measured.

A latency table in the sense of FBNet (Wu et al., 2019): time is added up over operators. Its
entries are not measured one by one, as fusion makes operators of a file cheaper than alone: they
are the non-negative least squares of whole candidates over the kinds of their operators.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import nnls

TABLE = "table"  # vectors that are looked up: bytes, and next to no time
_PULL = 0.03  # of the fallback: weak, so that three measurements outweigh it


@dataclass(frozen=True, slots=True, kw_only=True)
class Operator:
    """kind: "conv", "depthwise", "linear" or TABLE; macs and outputs (elements) of one sample."""

    kind: str
    macs: int
    outputs: int
    parameters: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Shares:
    """What part of a first candidate's value is laid on each of its features: what is believed
    before anything else is known. One that is 0 stays out of the fit."""

    fixed: float
    operators: float
    outputs: float
    parameters: float
    tables: float
    macs: float


TIME = Shares(fixed=0.1, operators=0.15, outputs=0.15, parameters=0.0, tables=0.0, macs=0.6)
BYTES = Shares(fixed=0.02, operators=0.08, outputs=0.0, parameters=0.6, tables=0.3, macs=0.0)
_DEARER = {"depthwise": 6.0}  # per multiply-accumulate than a dense convolution, before it is known


@dataclass(slots=True)
class Table:
    """Learns per scheme from whole files. Unknown schemes predict nothing."""

    shares: Shares = TIME
    kinds: tuple[str, ...] = ("conv", "depthwise", "linear")
    _seen: dict[str, list[tuple[tuple[float, ...], float]]] = field(
        default_factory=lambda: defaultdict(list)
    )
    _fitted: dict[str, NDArray[np.float64]] = field(default_factory=dict)

    def learn(self, scheme: str, operators: Sequence[Operator], value: float) -> None:
        """value: anything that adds up over operators: milliseconds, bytes."""
        self._seen[scheme].append((self._features(operators), value))
        self._fitted.pop(scheme, None)

    def predict(self, scheme: str, operators: Sequence[Operator]) -> float | None:
        """None before the first candidate of a scheme was measured."""
        if not self._seen[scheme]:
            return None
        return float(np.dot(self._weights(scheme), self._features(operators)))

    def entries(self, scheme: str, operators: Sequence[Operator]) -> list[tuple[Operator, float]]:
        """The table's own entry for each operator, without what a file costs on its own."""
        weights, base = self._weights(scheme), np.array(self._features(()))
        return [
            (one, float(np.dot(weights, np.array(self._features((one,))) - base)))
            for one in operators
        ]

    def _features(self, operators: Sequence[Operator]) -> tuple[float, ...]:
        macs = [sum(o.macs for o in operators if o.kind == kind) for kind in self.kinds]
        return (
            1.0,
            float(len(operators)),
            float(sum(o.outputs for o in operators)),
            float(sum(o.parameters for o in operators if o.kind != TABLE)),
            float(sum(o.parameters for o in operators if o.kind == TABLE)),
            *map(float, macs),
        )

    def _weights(self, scheme: str) -> NDArray[np.float64]:
        """Relative errors are made small, and every weight is pulled a little to what the shares
        say of it: few measurements leave most of them unknown."""
        if scheme not in self._fitted:
            self._fitted[scheme] = self._fit(scheme)
        return self._fitted[scheme]

    def _fit(self, scheme: str) -> NDArray[np.float64]:
        rows = np.array([features for features, _ in self._seen[scheme]])
        values = np.array([value for _, value in self._seen[scheme]])
        prior = self._prior(rows[0], values[0])
        size = np.where(prior > 0, 1 / np.where(prior > 0, prior, 1.0), 0.0) * _PULL**0.5
        used = prior > 0
        matrix = np.vstack([rows / values[:, None], np.diag(size)])[:, used]
        target = np.concatenate([np.ones(len(values)), size * prior])
        found = np.zeros(rows.shape[1])
        found[used] = nnls(matrix, target)[0]
        return found

    def _prior(self, features: NDArray[np.float64], value: float) -> NDArray[np.float64]:
        """Weights that give the first value alone, by the shares of the features that it has."""
        one = self.shares
        head = np.array([one.fixed, one.operators, one.outputs, one.parameters, one.tables])
        dear = np.array([_DEARER.get(kind, 1.0) for kind in self.kinds])
        weighted = float(np.dot(dear, features[5:]))
        shares = np.concatenate([np.where(features[:5] > 0, head, 0.0), [one.macs]])
        shares[5] *= weighted > 0
        shares /= shares.sum()
        rates = np.where(features[:5] > 0, shares[:5] / np.maximum(features[:5], 1e-12), 0.0)
        per_mac = shares[5] / weighted if weighted else 0.0
        return value * np.concatenate([rates, per_mac * dear])
