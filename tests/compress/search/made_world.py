"""Candidates whose time, size and accuracy are formulas: a search over them is exact."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from compress.search.ledger import Alone, Scored, Screened
from compress.search.predict import Operator
from compress.search.space import FLOAT, Plan

REFERENCE_MS = 1.0


def shapes(plan: Plan) -> tuple[Operator, ...]:
    """Two 3x3 convolutions per block at 14, 7, ... pixels."""
    found, before, side = [], 16, 14
    for width in plan.student.widths:
        for _ in range(2 * plan.student.depth):
            parameters = 9 * before * width
            found.append(
                Operator(
                    kind="conv",
                    macs=parameters * side * side,
                    outputs=width * side * side,
                    parameters=parameters,
                )
            )
            before = width
        side = max(1, side // 2)
    return tuple(found)


@dataclass
class World:
    """asked: every plan that was screened; pilots: (plan, seed, epochs) of every training."""

    speed: float = 1.0  # of the machine: 2 is twice as slow
    asked: list[Plan] = field(default_factory=list)
    pilots: list[tuple[Plan, int, int]] = field(default_factory=list)

    @property
    def ledger(self) -> Alone:
        return Alone(self.screen, self.evaluate)

    def screen(self, plan: Plan) -> Screened:
        self.asked.append(plan)
        return self.known(plan)

    def known(self, plan: Plan) -> Screened:
        operators = shapes(plan)
        macs = sum(one.macs for one in operators)
        parameters = sum(one.parameters for one in operators)
        rate = 6e-8 if plan.scheme == FLOAT else 2e-8
        p50 = self.speed * (0.01 + 0.002 * len(operators) + rate * macs)
        size = 20_000 + (4 if plan.scheme == FLOAT else 1) * parameters
        return Screened(
            values={"speed": p50 / REFERENCE_MS, "size": float(size)},
            p50_ms=p50,
            speedup=REFERENCE_MS / p50,
            size_bytes=size,
            parameters=parameters,
            macs=macs,
            seconds=4.0,
        )

    def accuracy(self, plan: Plan, epochs: int) -> float:
        """More multiply-accumulates and more epochs help; both with falling returns."""
        macs = self.known(plan).macs
        return 0.96 - 0.6 * macs**-0.2 * (1 + 1.0 / epochs)

    def epoch_s(self, plan: Plan) -> float:
        return 4.0 + self.known(plan).macs / 4e5

    def evaluate(self, plan: Plan, *, seed: int, epochs: int) -> Scored:
        self.pilots.append((plan, seed, epochs))
        accuracy = self.accuracy(plan, epochs)
        return Scored(accuracy=accuracy, epoch_s=self.epoch_s(plan), start_s=6.0)


def finite(values: list[float]) -> bool:
    return all(math.isfinite(value) for value in values)
