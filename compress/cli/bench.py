"""`distil bench`: latency, throughput, memory and cold start of ONNX files, interleaved."""

from __future__ import annotations

from compress.cli.bench_options import (
    Batch,
    Change,
    Compile,
    CpuNodes,
    Data,
    Device,
    Epochs,
    Fail,
    FailOn,
    Models,
    Plot,
    Rates,
    Resolve,
    Seconds,
    Seed,
    Sessions,
    Shape,
    Threads,
    TimeLimit,
    Twin,
    Weights,
    check_options,
    feeds,
    named,
    numbers,
    read_samples,
    with_unit,
)
from compress.cli.invocation import Invocation
from compress.cli.options import BenchmarkJson, Debug, JsonFile, Quiet, Verbose

_EPOCHS = 12


def bench(
    models: Models,
    device: Device = "cpu",
    batch: Batch = None,
    threads: Threads = "1",
    shape: Shape = None,
    data: Data = None,
    epochs: Epochs = None,
    resolve: Resolve = False,
    change: Change = None,
    time_limit: TimeLimit = "5min",
    plot: Plot = None,
    benchmark_json: BenchmarkJson = None,
    load: Rates = None,
    sessions: Sessions = 1,
    seconds: Seconds = "10s",
    weights: Weights = None,
    compiled: Compile = False,
    cpu_nodes: CpuNodes = 0,
    seed: Seed = 0,
    aa: Twin = False,
    fail_on: Fail = None,
    json_file: JsonFile = None,
    quiet: Quiet = False,
    verbose: Verbose = False,
    debug: Debug = False,
) -> None:
    """Measure ONNX files side by side.

    Latency, throughput, memory, cold start and size; with two or more files, whether a later one
    is slower or faster than the first.
    """
    with Invocation(
        "bench", json_file=json_file, quiet=quiet, verbose=verbose, debug=debug
    ) as call:
        from benchmarks.measure import measure
        from benchmarks.question import Question
        from benchmarks.settings import BenchSettings
        from benchmarks.staging import open_subjects
        from benchmarks.stats import FEWEST_EPOCHS, LOOKS
        from compress.cli.bench_benchmarks import refuse_benchmarks, write_benchmarks
        from compress.cli.bench_gpu import gpu_lines
        from compress.cli.bench_load import run_load
        from compress.cli.bench_plot import write_plot
        from compress.cli.bench_table import (
            comparison_lines,
            header,
            measurement_table,
            model_lines,
        )
        from compress.cli.bench_torch import with_torch
        from compress.cli.invocation import check_writable
        from compress.recipe.units import parse_duration, parse_percent

        if plot is not None:
            check_writable(plot, "--plot")
        if benchmark_json is not None:
            check_writable(benchmark_json, "--benchmark-json")
        samples = None if data is None else read_samples(data)
        if load is not None:
            refuse_benchmarks(benchmark_json)
            run_load(
                call, models, load,
                sessions=sessions, seconds=with_unit(parse_duration, seconds, "--seconds"),
                device=device, batch=batch, threads=threads, samples=samples,
                shapes=shape or [], seed=seed, plot=plot,
            )  # fmt: skip
            return
        subjects = with_torch(
            named(models, aa=aa),
            weights=weights or [],
            compiled=compiled,
            shapes=shape or [],
            data=samples,
        )
        several = len(subjects) > 1
        check_options(several, epochs, resolve=resolve, change=change, fail_on=fail_on)
        settings = BenchSettings(
            devices=tuple(part.strip() for part in device.split(",")),
            batch=numbers(batch or "1,32", "--batch"),
            threads=numbers(threads, "--threads"),
            epochs=_EPOCHS if epochs is None else epochs,
            most_epochs=LOOKS[-1] if several and epochs is None else None,
            limit_s=with_unit(parse_duration, time_limit, "--time-limit"),
            question=Question(
                resolve=resolve,
                change=None if change is None else with_unit(parse_percent, change, "--change"),
            ),
            cpu_nodes=cpu_nodes,
        )
        if several and epochs is not None and epochs < FEWEST_EPOCHS:
            call.note(
                f"{epochs} epochs can't give a verdict: at least {FEWEST_EPOCHS} are needed "
                "(leave --epochs out for as many as it takes)"
            )
        first = next(iter(open_subjects(subjects).values()))
        measured = measure(
            subjects,
            inputs=feeds(first, samples, shape or [], rows=max(settings.batch), seed=seed),
            settings=settings,
            seed=seed,
            on_event=call.on_event,
            aa=aa,
        )
        call.finish_progress()
        call.result = measured
        call.say(header(measured))
        call.show(measurement_table(measured))
        lines = (*model_lines(measured), *gpu_lines(measured), *comparison_lines(measured))
        call.say("\n".join(lines))
        if plot is not None:
            write_plot(measured, plot)
            call.say(f"pictures: {plot}")
        if benchmark_json is not None:
            write_benchmarks(measured, benchmark_json)
            call.say(f"pytest-benchmark: {benchmark_json}")
        slower = any(found.verdict == "slower" for found in measured.comparisons)
        if fail_on is FailOn.slower and slower:
            call.exit_code = 1
