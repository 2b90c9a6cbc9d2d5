"""`distil quantize`: an ONNX file to a smaller, faster one, held to an accuracy."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from compress.cli.invocation import Invocation, check_writable
from compress.cli.options import Debug, JsonFile, Quiet, Verbose
from compress.cli.streams import printable

if TYPE_CHECKING:
    from compress.quantize.values import Quantized


class SchemeName(StrEnum):
    auto = "auto"
    dynamic = "dynamic"
    static = "static"
    row = "row"
    weight_only_int8 = "weight-only-int8"
    weight_only_int4 = "weight-only-int4"
    float16 = "float16"
    bfloat16 = "bfloat16"


class MetricName(StrEnum):
    accuracy = "accuracy"
    top1 = "top1"
    cosine = "cosine"
    nearest = "nearest"


class GoalName(StrEnum):
    speed = "speed"
    size = "size"


class MethodName(StrEnum):
    minmax = "minmax"
    percentile = "percentile"
    entropy = "entropy"
    mse = "mse"


Source = Annotated[Path, typer.Argument(metavar="IN.onnx", help="A float32 file.")]
Out = Annotated[Path, typer.Argument(metavar="OUT.onnx", help="The file to write.")]
Scheme = Annotated[
    SchemeName,
    typer.Option(
        "--scheme",
        help="auto: the fastest mix that holds --max-drop and is faster than the float file. "
        "row: a range per token or sample as it comes. float16, bfloat16: storage alone.",
    ),
]
Data = Annotated[
    str | None,
    typer.Option(
        "--data",
        metavar="SAMPLES",
        help="Samples as for inference: .npy, .npz with an array per input (and `labels`, if "
        "known), a folder of those (a batch each), or model.py:function that yields batches.",
    ),
]
MaxDrop = Annotated[
    str,
    typer.Option(
        "--max-drop",
        metavar="0.5pp",
        help="What the metric, and the cosine of each other output, may lose.",
    ),
]
Metric = Annotated[
    MetricName | None,
    typer.Option(
        "--metric",
        help="accuracy (needs labels), top1 (same class as the float file), cosine (mean), "
        "nearest (same nearest sample). Default: by the labels and the form of the answers.",
    ),
]
Goal = Annotated[
    GoalName,
    typer.Option("--goal", help="With auto: size takes a slower file too, none that is larger."),
]
Method = Annotated[
    MethodName,
    typer.Option("--calibration", help="How fixed ranges are found: of static, and auto."),
]
Batch = Annotated[
    int | None,
    typer.Option(
        "--batch",
        min=1,
        help="Batch that is served: timed, and judged where answers depend on it. "
        "Default: 1, or the one that the file takes.",
    ),
]
Threads = Annotated[int, typer.Option("--threads", min=1, help="Threads inside an operator.")]
Timed = Annotated[
    bool, typer.Option("--timed/--not-timed", help="Time it; `auto` has to, unless for size.")
]
Seed = Annotated[int, typer.Option("--seed", min=0, help="Of the order of timing.")]


def quantize(
    source: Source,
    out: Out,
    scheme: Scheme = SchemeName.auto,
    data: Data = None,
    max_drop: MaxDrop = "0.5pp",
    metric: Metric = None,
    goal: Goal = GoalName.speed,
    method: Method = MethodName.minmax,
    batch: Batch = None,
    threads: Threads = 1,
    timed: Timed = True,
    seed: Seed = 0,
    json_file: JsonFile = None,
    quiet: Quiet = False,
    verbose: Verbose = False,
    debug: Debug = False,
) -> None:
    """Quantize an ONNX file, held to an accuracy and to being faster.

    Needs no recipe and no torch model. Exit 1, and no file, when no candidate is acceptable.
    """
    with Invocation(
        "quantize", json_file=json_file, quiet=quiet, verbose=verbose, debug=debug
    ) as call:
        from compress.cli.bench_options import with_unit
        from compress.cli.quantize_data import read_data
        from compress.quantize.api import quantize as work
        from compress.recipe.units import parse_percentage_points

        check_writable(out, "OUT.onnx")
        made = work(
            source,
            path=out,
            scheme=scheme.value,
            data=None if data is None else read_data(data),
            metric=None if metric is None else metric.value,
            max_drop=with_unit(parse_percentage_points, max_drop, "--max-drop"),
            goal=goal.value,
            method=method.value,
            batch=batch,
            threads=threads,
            timed=timed,
            seed=seed,
            on_event=call.on_event,
        )
        call.finish_progress()
        call.result = made
        call.say(printable("\n".join(summary(made, out))))
        call.exit_code = 0 if made.artifact is not None else 1


def summary(made: Quantized, out: Path) -> list[str]:
    """What was done, what it keeps, how fast it is, what stayed in float and why."""
    from compress.quantize.words import speed_words
    from compress.report.quantities import size

    if made.artifact is None:
        lines = [f"{out}: not written: {made.reason}"]
    else:
        before, after = size(made.source.size_bytes), size(made.artifact.size_bytes)
        lines = [f"{out}: {made.scheme}, {before} to {after}; {made.reason}"]
    if made.fidelity is not None:
        kept = made.fidelity
        value = f"{100 * kept.value:.2f} %"
        if kept.reference != 1.0:
            value += f" against {100 * kept.reference:.2f} %"
        of = f" of the output `{kept.output}`" if kept.output else ""
        at = "" if kept.batch is None else f" at batch {kept.batch}"
        lines.append(
            f"kept: {kept.metric}{of} {value}{at} on {kept.samples:,} samples held out "
            f"(cosine: mean {kept.cosine_mean:.4f}, first percentile {kept.cosine_p1:.4f})"
        )
    if made.comparison is not None:
        lines.append(f"speed: it {speed_words(made.comparison)}")
    if made.batch_changes:
        lines.append(
            f"batch: for {100 * made.batch_changes:.1f} % of samples the answer depends on batch "
            "mates (more than 0.1 % of its length)"
        )
    by_reason: dict[str, list[str]] = {}
    for one in made.kept_float:
        by_reason.setdefault(one.reason, []).append(f"{one.node} ({one.operator})")
    for reason, names in by_reason.items():
        shown = ", ".join(names[:4]) + (f" and {len(names) - 4} more" if len(names) > 4 else "")
        lines.append(f"in float: {shown}: {reason}")
    return lines
