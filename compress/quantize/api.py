"""`from compress import quantize`: any float ONNX file and samples to a smaller, faster one."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Collection
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from benchmarks.environment import read_environment
from benchmarks.values import Comparison
from compress.errors import DistilError, InputError
from compress.quantize.auto import choose
from compress.quantize.choice import Choice, Wanted
from compress.quantize.fidelity import METRICS, Metric, changed_by_batch_mates
from compress.quantize.halves import store_halves
from compress.quantize.job import GOALS, Goal, Job
from compress.quantize.kept import kept_by_operator, kept_in_float
from compress.quantize.mixed import Calibrated, Plan, applied, everything, rounded_alone
from compress.quantize.opened import inferred, nothing_to_round, write_model
from compress.quantize.products import products
from compress.quantize.ranges import METHODS, Method
from compress.quantize.samples import BATCH, Data, split_samples
from compress.quantize.scheme import scheme_for
from compress.quantize.silence import quiet_quantization
from compress.quantize.static import observed
from compress.quantize.values import SCHEMES, KeptFloat, Quantized, Scheme
from compress.quantize.weight_only import round_weights
from exporters.artifact import open_artifact
from exporters.atomic import atomic_path
from exporters.events import Event

if TYPE_CHECKING:
    from onnx import ModelProto

_CALIBRATED = frozenset({"auto", "static"})


def quantize(
    source: str | os.PathLike[str],
    *,
    path: str | os.PathLike[str],
    scheme: Scheme = "auto",
    data: Data | None = None,
    metric: Metric | None = None,
    max_drop: float = 0.005,
    goal: Goal = "speed",
    method: Method = "minmax",
    batch: int | None = None,
    threads: int = 1,
    cpu_flags: tuple[str, ...] | None = None,
    timed: bool = True,
    seed: int = 0,
    on_event: Callable[[Event], None] | None = None,
) -> Quantized:
    """Write a quantized copy of a float32 file to path, or nothing where none is acceptable.

    data: see split_samples; `auto` and `static` need it, and without it nothing is known of the
    accuracy. max_drop: what metric may lose, a fraction; default metric: see suitable_metric. Each
    other float output may lose as much of its cosine, and the worst counts.
    `auto` takes the fastest mix that holds this and is faster than the float file, timed at
    batch and threads in one interleaved run; with the goal `size` the smallest file, faster or
    not. batch: default 1, or the one that the file takes; answers that depend on batch mates are
    judged at it too. Another scheme is held to max_drop where there is data, its speed is told.
    cpu_flags: of the machine that will run it, default this one. timed: False leaves speed out; not
    for `auto`, which chooses by it. Raises InputError or DistilError.
    """
    _check_name("scheme", scheme, SCHEMES)
    _check_name("goal", goal, GOALS)
    _check_name("method", method, METHODS)
    if metric is not None:
        _check_name("metric", metric, METRICS)
    if scheme in _CALIBRATED and data is None:
        raise InputError(f"`{scheme}` needs samples", cure="give data, or use `dynamic`")
    if scheme == "auto" and goal == "speed" and not timed:
        raise InputError("`auto` chooses by speed", cure="time it, or name a scheme or goal `size`")
    artifact = open_artifact(source)
    if Path(os.path.abspath(path)) == artifact.path:
        raise InputError("is the float file itself", where=str(path), cure="name another file")
    samples = None if data is None else split_samples(data, artifact.inputs)
    if metric == "accuracy" and (samples is None or samples.labels is None):
        raise InputError("accuracy needs labels", cure="give an array `labels`, or use top1")
    flags = read_environment().cpu_flags if cpu_flags is None else cpu_flags
    job = Job(
        artifact=artifact,
        samples=samples,
        metric=metric,
        max_drop=max_drop,
        goal=goal,
        method=method,
        batch=batch,
        threads=threads,
        flags=tuple(flags),
        timed=timed,
        seed=seed,
        tell=on_event or (lambda event: None),
    )
    job.check_batch()
    with quiet_quantization(), tempfile.TemporaryDirectory(prefix="distil-quantize-") as folder:
        made = _auto(job, Path(folder)) if scheme == "auto" else _one(job, scheme, Path(folder))
        if made.artifact is None:
            return made
        with atomic_path(path) as temporary:
            shutil.copyfile(made.artifact.path, temporary)
            written = open_artifact(temporary)
    return replace(made, artifact=replace(written, path=Path(os.path.abspath(path))))


def _check_name(setting: str, given: str, known: Collection[str]) -> None:
    if given not in known:
        raise InputError(f"unknown {setting} {given!r}", cure=f"one of {', '.join(known)}")


def _auto(job: Job, folder: Path) -> Quantized:
    assert job.samples is not None
    if job.goal == "size":
        return _smallest(job, folder)
    found = observed(
        job.artifact, job.samples.calibration, cpu_flags=job.flags, scratch=folder,
        method=job.method, tell=job.tell,
    )  # fmt: skip
    judge = job.judge()
    wanted = Wanted(
        judge=judge,
        max_drop=job.max_drop,
        feeds=job.served(),
        threads=job.threads,
        seed=job.seed,
    )
    choice = choose(
        found, job.artifact, job.samples, reference=judge.reference, wanted=wanted, scratch=folder,
        tell=job.tell,
    )  # fmt: skip
    if choice.path is None or choice.plan is None:
        return _refused(job, choice, None, choice.best)
    compared = job.compared(choice.path)
    if compared is None or compared.verdict != "faster":
        word = "not timed" if compared is None else compared.verdict
        said = f"{choice.name} is not proven faster than the float file ({word})"
        return _refused(job, choice, compared, said)
    return Quantized(
        artifact=open_artifact(choice.path),
        source=job.artifact,
        scheme=choice.name,
        reason="the fastest of those that keep the accuracy asked for",
        kept_float=kept_in_float(found.model, choice.plan, sensitive=choice.sensitive),
        fidelity=choice.fidelity,
        comparison=compared,
        batch_changes=choice.batch_changes,
        tried=choice.tried,
    )


def _refused(job: Job, choice: Choice, compared: Comparison | None, said: str) -> Quantized:
    return Quantized(
        artifact=None,
        source=job.artifact,
        scheme=choice.name,
        reason=said,
        kept_float=(),
        fidelity=choice.fidelity,
        comparison=compared,
        batch_changes=choice.batch_changes,
        tried=choice.tried,
    )


def _smallest(job: Job, folder: Path) -> Quantized:
    """The smallest file of any scheme that keeps the accuracy, where it is smaller than float."""
    found: list[tuple[int, Path, Quantized]] = []
    missed = ""
    names: tuple[Scheme, ...] = ("static", "row", "weight-only-int4", "weight-only-int8", "float16")
    for name in names:
        place = folder / name
        place.mkdir()
        try:
            made = _one(job, name, place, timed=False)
        except InputError:
            raise
        except DistilError as exc:  # a scheme that has no form for this network is no candidate
            missed = missed or str(exc)
            continue
        if made.artifact is None:
            missed = f"{name}: {made.reason}"
        else:
            found.append((made.artifact.size_bytes, made.artifact.path, made))
    if not found:
        return _nothing(job, missed or "no scheme applies")
    size, path, best = min(found, key=lambda entry: entry[0])
    if size >= job.artifact.size_bytes:
        said = (
            f"none is smaller than the float file of {job.artifact.size_bytes:,} bytes: the "
            f"smallest, {best.scheme}, has {size:,}"
        )
        return replace(best, artifact=None, reason=said)
    compared = job.compared(path)
    said = "the smallest of those that keep the accuracy asked for"
    return replace(best, reason=said, comparison=compared)


def _nothing(job: Job, said: str) -> Quantized:
    return Quantized(
        artifact=None, source=job.artifact, scheme="float32", reason=said, kept_float=(),
        fidelity=None, comparison=None, batch_changes=None, tried=(),
    )  # fmt: skip


def _one(job: Job, scheme: Scheme, folder: Path, *, timed: bool = True) -> Quantized:
    """One scheme, as asked for."""
    model = inferred(job.artifact, folder)
    made, kept = _made(job, model, scheme, folder)
    written = write_model(made, folder / "made.onnx")
    result = Quantized(
        artifact=written,
        source=job.artifact,
        scheme=scheme,
        reason=f"`{scheme}` was asked for",
        kept_float=kept,
        fidelity=None,
        comparison=None,
        batch_changes=None,
        tried=(),
    )
    if job.samples is None:
        return result
    changes = changed_by_batch_mates(written.path, job.samples.held_out[:BATCH])
    held = job.judge()(written.path, changes != 0.0)
    result = replace(result, fidelity=held, batch_changes=changes)
    if held.drop > job.max_drop + 1e-9:
        return replace(result, artifact=None, reason=held.lost(job.max_drop))
    return replace(result, comparison=job.compared(written.path)) if timed else result


def _made(
    job: Job, model: ModelProto, scheme: Scheme, folder: Path
) -> tuple[ModelProto, tuple[KeptFloat, ...]]:
    if scheme == "float16" or scheme == "bfloat16":
        if not store_halves(model, scheme):
            raise nothing_to_round(job.artifact)
        return model, ()
    if scheme == "weight-only-int4" or scheme == "weight-only-int8":
        before = type(model)()
        before.CopyFrom(model)
        done = round_weights(model, bits=4 if scheme.endswith("4") else 8)
        if not done:
            raise nothing_to_round(job.artifact)
        return model, kept_by_operator(before, done, "only matrix products have this form")
    needs_ranges = scheme == "static"
    if needs_ranges or (job.samples is not None and rounded_alone(model)):
        assert job.samples is not None
        found = observed(
            job.artifact, job.samples.calibration, cpu_flags=job.flags, scratch=folder,
            method=job.method if needs_ranges else "minmax", tell=job.tell, model=model,
        )  # fmt: skip
    else:
        found = Calibrated(model=model, ranges={}, smoothed={}, scheme=scheme_for(job.flags))
    plan = everything(model, form="static" if needs_ranges else _form(scheme))
    if not needs_ranges:
        every = {product.node: _form(scheme) for product in products(model)}
        plan = Plan(products=every)
    if not plan.chain and not plan.products:
        raise nothing_to_round(job.artifact)
    otherwise = f"`{scheme}` has no form for it"
    return applied(found, plan), kept_in_float(model, plan, otherwise=otherwise)


def _form(scheme: Scheme) -> Literal["row", "dynamic"]:
    return "row" if scheme == "row" else "dynamic"
