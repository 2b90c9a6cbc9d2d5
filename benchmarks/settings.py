"""What is timed: the cells of a measurement and how often each is repeated."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from benchmarks.devices import DEVICES
from benchmarks.question import Question
from benchmarks.values import Setting
from exporters.errors import InputError


@dataclass(frozen=True, slots=True, kw_only=True)
class PairLimit:
    """A ratio of times (candidate / first subject) that is to be met or violated at a setting."""

    candidate: str
    setting: Setting
    ratio: float


@dataclass(frozen=True, slots=True, kw_only=True)
class BenchSettings:
    """Every (device, threads, batch) is one cell; epochs: fresh processes per model and cell.

    Fewer than 10 epochs can't reach a verdict: the sign-flip test has too few outcomes. Where
    models are compared and the question is open, epochs go on up to most_epochs, or until limit_s
    seconds at this device and number of threads are over. With limits, they alone are in question.
    """

    devices: tuple[str, ...] = ("cpu",)
    batch: tuple[int, ...] = (1, 32)
    threads: tuple[int, ...] = (1,)
    epochs: int = 12
    most_epochs: int | None = None  # None: exactly epochs
    limit_s: float = 300.0
    question: Question = field(default_factory=Question)
    limits: tuple[PairLimit, ...] = ()  # they share the level among question.tests
    cpu_nodes: int = 0  # nodes that may run on the CPU when a GPU is asked for

    def __post_init__(self) -> None:
        for name in ("devices", "batch", "threads"):
            if not getattr(self, name):
                raise InputError("is empty", where=f"bench.{name}", cure="name at least one")
        for name in ("batch", "threads"):
            for value in getattr(self, name):
                if value < 1:
                    raise InputError(f"is {value}", where=f"bench.{name}", cure="use 1 or more")
        for device in self.devices:
            if device not in DEVICES:
                cure = f"use {', '.join(DEVICES[:-1])} or {DEVICES[-1]}"
                raise InputError(f"is {device!r}", where="bench.devices", cure=cure)
        if self.epochs < 1:
            raise InputError(f"is {self.epochs}", where="bench.epochs", cure="use 1 or more")
        if self.cpu_nodes < 0:
            raise InputError(f"is {self.cpu_nodes}", where="bench.cpu_nodes", cure="use 0 or more")
        if self.most_epochs is not None and self.most_epochs < self.epochs:
            what = f"is {self.most_epochs}, and bench.epochs {self.epochs}"
            raise InputError(what, where="bench.most_epochs", cure="use at least as many")
        if not self.limit_s > 0:
            raise InputError(f"is {self.limit_s}", where="bench.limit_s", cure="use more than 0")

    def asked_of(self, candidate: str, setting: Setting) -> Question | None:
        """What the epochs of a candidate at a setting have to answer; None: nothing."""
        if not self.limits:
            return self.question
        ratios = [
            limit.ratio
            for limit in self.limits
            if (limit.candidate, limit.setting) == (candidate, setting)
        ]
        return replace(self.question, limits=tuple(ratios)) if ratios else None
