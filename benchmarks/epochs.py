"""One epoch: a fresh process per model, one active at a time, blocks of calls interleaved."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from statistics import median

from benchmarks.order import block_order, epoch_value, slots
from benchmarks.pace import Pace
from benchmarks.placement import place, quiet_cpus
from benchmarks.process import WorkerProcess
from benchmarks.staging import Subject

Blocks = tuple[tuple[int, ...], ...]  # (rounds, calls) nanoseconds


@dataclass(frozen=True, slots=True, kw_only=True)
class Epoch:
    """blocks: (subject, batch) -> its blocks; cold: subject -> (session, first call) in ns."""

    blocks: Mapping[tuple[int, int], Blocks]
    cold: Mapping[int, tuple[int, int]]
    # (subject, batch) -> calls on a GPU's own clock; subject -> nodes that run elsewhere.
    device: Mapping[tuple[int, int], tuple[int, ...]] = field(default_factory=dict)
    fallback: Mapping[int, tuple[str, ...] | None] = field(default_factory=dict)
    order: tuple[int, ...] = ()  # of launching, and within the first round

    def samples_ns(self, subject: int, batch: int) -> tuple[int, ...]:
        """Every call, in order."""
        return tuple(ns for block in self.blocks[subject, batch] for ns in block)

    def log_ratio(self, reference: int, candidate: int, batch: int) -> float:
        """log(candidate time / reference time) of this epoch."""
        return epoch_value(
            [math.log(median(block)) for block in self.blocks[reference, batch]],
            [math.log(median(block)) for block in self.blocks[candidate, batch]],
        )


def run_epoch(
    subjects: Sequence[Subject],
    *,
    device: str,
    threads: int,
    calls: Mapping[tuple[int, int], int],
    rounds: Mapping[int, int],
    rng: random.Random,
    pace: Pace,
    cpu_nodes: int = 0,
    choose_cpus: Callable[[int], frozenset[int] | None] = quiet_cpus,
) -> Epoch:
    """calls: (subject, batch) -> calls per block, of all subjects that take part, at each batch;
    rounds: batch -> blocks of each model; choose_cpus: threads -> where all workers run, None:
    where the scheduler puts them.

    The batches of one epoch share its processes, in the order of `rounds`: starting a process is
    most of an epoch's time, and each batch still has a fresh process per epoch.
    """
    taking_part = sorted({index for index, _ in calls})
    order = tuple(taking_part[slot] for slot in slots(len(taking_part), rng))
    cpus = choose_cpus(threads) if device == "cpu" else None
    batches = tuple(rounds)
    blocks: dict[tuple[int, int], list[tuple[int, ...]]] = {key: [] for key in calls}
    cold: dict[int, tuple[int, int]] = {}
    on_device: dict[tuple[int, int], tuple[int, ...]] = {}
    fallback: dict[int, tuple[str, ...] | None] = {}
    with ExitStack() as stack:
        workers: dict[int, WorkerProcess] = {}
        for index in order:  # they import side by side, and that is all that they do so
            path = subjects[index].artifact.path
            workers[index] = WorkerProcess(source=path, limit_s=pace.limit_s)
            stack.callback(workers[index].close)
        for worker in workers.values():
            stack.enter_context(worker)
            place(worker.pid, cpus)
        for index in order:
            subject, worker = subjects[index], workers[index]
            worker.request(subject.load_request(batches, device=device))
            opened = worker.request(
                subject.open_request(
                    device=device, threads=threads, batch=batches[0], cpu_nodes=cpu_nodes
                )
            )
            nodes = opened["fallback_nodes"]
            fallback[index] = None if nodes is None else tuple(nodes)
            cold[index] = (opened["session_ns"], opened["first_call_ns"])
        for batch in batches:
            for index in order:
                workers[index].ask("warm_up", batch=batch, rule=asdict(pace.warm_up))
            for turn in block_order(order, rounds[batch]):
                for index in turn:
                    asked = {"batch": batch, "calls": calls[index, batch]}
                    samples = workers[index].ask("time", **asked)["samples_ns"]
                    # A clock that did not move between two readings: its resolution is 1 ns.
                    blocks[index, batch].append(tuple(max(1, int(ns)) for ns in samples))
            if device != "cpu":  # after the blocks: it is no part of the comparison
                for index in order:
                    asked = {"batch": batch, "calls": calls[index, batch]}
                    seen = workers[index].ask("time_device", **asked)["samples_ns"]
                    on_device[index, batch] = tuple(max(1, int(ns)) for ns in seen)
        for worker in workers.values():
            worker.finish()
    return Epoch(
        blocks={key: tuple(value) for key, value in blocks.items()},
        cold=cold,
        order=order,
        device=on_device,
        fallback=fallback,
    )
