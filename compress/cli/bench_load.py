"""`distil bench --load`: latency against the rate at which requests arrive."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from rich import box
from rich.table import Table

from benchmarks.load import measure_load
from benchmarks.pace import ENOUGH
from benchmarks.staging import open_subjects
from benchmarks.values import NEEDS_FLOOR_MS, Load, LoadPoint
from compress.cli.bench_options import feeds, numbers
from compress.cli.bench_plot import write_page
from compress.cli.streams import printable
from compress.errors import InputError
from compress.report.charts.sweep import Sweep, sweep
from compress.report.quantities import count, milliseconds, per_second

if TYPE_CHECKING:
    from benchmarks.feeds import Inputs
    from compress.cli.invocation import Invocation

_WIDTH = 760.0


def run_load(
    call: Invocation,
    models: list[Path],
    rates: str,
    *,
    sessions: int,
    seconds: float,
    device: str,
    batch: str | None,
    threads: str,
    samples: Inputs | None,
    shapes: list[str],
    seed: int,
    plot: Path | None,
) -> None:
    """One file at one setting. Sets the call's result and says it."""
    if len(models) != 1:
        raise InputError(f"--load takes one file, and {len(models)} are given", cure="name one")
    (batch_size,) = _one(batch or "1", "--batch")
    (thread_count,) = _one(threads, "--threads")
    source = open_subjects({"model": models[0]})["model"]
    found = measure_load(
        models[0],
        inputs=feeds(source, samples, shapes, rows=batch_size, seed=seed),
        rates=None if rates.strip() == "auto" else _rates(rates),
        sessions=sessions,
        device=device,
        batch=batch_size,
        threads=thread_count,
        seconds=seconds,
        seed=seed,
        on_event=call.on_event,
    )
    call.finish_progress()
    call.result = found
    call.say(load_header(found))
    call.show(load_table(found))
    call.say("\n".join(load_notes(found)))
    if plot is not None:
        pictures = [("Latency against offered rate", load_picture(found))]
        write_page(plot, title="distil bench --load", note=load_header(found), pictures=pictures)
        call.say(f"pictures: {plot}")


def load_header(found: Load) -> str:
    """The machine, the sessions, and what they can do at most."""
    there, setting = found.environment, found.setting
    plural = "s" if found.sessions > 1 else ""
    return printable(
        f"{found.subject} on {there.cpu_model}, {there.allowed_cpus} allowed "
        f"CPU{'s' if there.allowed_cpus != 1 else ''}: {found.sessions} session{plural} of "
        f"{setting.threads} thread{'s' if setting.threads > 1 else ''}, batch {setting.batch}, "
        f"{setting.device}, at most {per_second(found.capacity_per_s)} when always busy"
    )


def load_table(found: Load) -> Table:
    """One row per offered rate. Latency is from arrival to answer, with the wait in the queue.

    Beside a latency below a millisecond stands that of an empty model, which never waits.
    """
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    floor = None if found.floor_ms is None else milliseconds(found.floor_ms)
    empty = [] if floor is None else ["empty"]
    for name in ("offered", "of capacity", "served", "p50", *empty, "p99", "requests"):
        table.add_column(name, justify="right", no_wrap=True)
    for point in found.points:
        bound = ">" if point.unserved else ""
        table.add_row(
            per_second(point.offered_per_s),
            f"{point.offered_per_s / found.capacity_per_s:.0%}",
            per_second(point.achieved_per_s),
            bound + milliseconds(point.p50_ms),
            *([] if floor is None else [floor if point.p50_ms < NEEDS_FLOOR_MS else ""]),
            "-" if point.p99_ms is None else bound + milliseconds(point.p99_ms),
            count(len(point.samples_ns)),
        )
    return table


def load_notes(found: Load) -> Iterator[str]:
    """What a reader of the table must know."""
    if found.sessions * found.setting.threads > found.environment.allowed_cpus:
        yield (
            f"{found.sessions} sessions of {found.setting.threads} share "
            f"{found.environment.allowed_cpus} allowed CPUs: they wait for each other"
        )
    if any(point.p99_ms is None for point in found.points):
        yield f"a p99 needs {ENOUGH[99]} requests: raise --seconds"
    if any(point.unserved for point in found.points):
        yield "> more arrived than could be served: the queue grew to the end"


def load_picture(found: Load) -> str:
    """p50 and p99 against the offered rate."""
    lines = [
        Sweep(name="p50", index=0, points=_points(found, lambda point: point.p50_ms)),
        Sweep(name="p99", index=1, points=_points(found, lambda point: point.p99_ms)),
    ]
    return sweep(
        tuple(one for one in lines if one.points),
        title="Latency against offered rate",
        across="requests per second",
        words=milliseconds,
        width=_WIDTH,
        key="load",
    )


def _points(
    found: Load, value: Callable[[LoadPoint], float | None]
) -> tuple[tuple[float, float], ...]:
    ordered = sorted(found.points, key=lambda point: point.offered_per_s)
    known = [(point.offered_per_s, value(point)) for point in ordered]
    return tuple((rate, ms) for rate, ms in known if ms is not None)


def _one(text: str, option: str) -> tuple[int, ...]:
    found = numbers(text, option)
    if len(found) != 1:
        raise InputError(
            f"{text!r} is several, and --load takes one", where=option, cure="give one"
        )
    return found


def _rates(text: str) -> tuple[float, ...]:
    try:
        found = tuple(float(part) for part in text.split(","))
    except ValueError:
        found = ()
    if not found or not all(0 < rate < 1e9 for rate in found):
        cure = "write rates per second, as in --load 50,100, or --load auto"
        raise InputError(f"{text!r} is no list of rates", where="--load", cure=cure)
    return found
