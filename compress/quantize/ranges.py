"""The range of each tensor over a stream of samples, in memory that does not grow with it."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from compress.errors import DistilError, InputError
from compress.quantize.feeds import Batch, checked_feeds, rows_of
from compress.quantize.thresholds import BINS, threshold
from exporters.session import open_session, runtime_error
from exporters.values import TensorSpec

if TYPE_CHECKING:
    from onnx import ModelProto
    from onnxruntime import InferenceSession

Method = Literal["minmax", "percentile", "entropy", "mse"]
METHODS: tuple[Method, ...] = ("minmax", "percentile", "entropy", "mse")
Range = tuple[NDArray[np.float32], NDArray[np.float32]]  # least and largest: scalars, or by channel
_CURE = "check the weights, or ship the float file (`quantize: {kind: none}`)"


def observe_ranges(
    model: ModelProto,
    batches: Iterable[Batch],
    *,
    inputs: Sequence[TensorSpec],
    tensors: Collection[str],
    channels: Collection[str] = (),
    scratch: Path,
    method: Method = "minmax",
    on_batch: Callable[[int], None] = lambda samples: None,
) -> tuple[dict[str, Range], dict[str, Range]]:
    """Range of each of tensors, and of each channel (last axis) of `channels`.

    One pass finds the extremes; percentile, entropy and mse count a histogram between them in a
    second one, so that batches must be readable twice. Only extremes and counts are kept, whatever
    the number of batches. on_batch gets the samples so far. Raises InputError when there is no
    sample, or one that doesn't fit inputs or isn't finite; DistilError when a tensor of the network
    isn't finite.
    """
    if method != "minmax" and iter(batches) is batches:
        what = f"`{method}` reads the calibration samples twice, and an iterator gives them once"
        raise InputError(what, cure="give a list, or an object that can be iterated again")
    if not tensors and not channels:
        return {}, {}
    names = sorted({*tensors} - {*channels})
    by_channel = sorted(set(channels))
    extremes = _extremes(
        model, batches, names, by_channel, inputs=inputs, scratch=scratch, on_batch=on_batch
    )
    whole = {name: extremes[name] for name in names}
    spread = {name: extremes[name] for name in by_channel}
    whole |= {name: (low.min(), high.max()) for name, (low, high) in spread.items()}
    if method != "minmax":
        wanted = {name: whole[name] for name in tensors}
        whole |= clipped(model, batches, wanted, inputs=inputs, scratch=scratch, method=method)
    return whole, spread


def _extremes(
    model: ModelProto,
    batches: Iterable[Batch],
    names: Sequence[str],
    by_channel: Sequence[str],
    *,
    inputs: Sequence[TensorSpec],
    scratch: Path,
    on_batch: Callable[[int], None],
) -> dict[str, Range]:
    """The network itself reduces each tensor to its extremes: nothing else leaves it."""
    session = _session(_reduced(model, names, by_channel), scratch)
    order = [*names, *by_channel]
    found: dict[str, Range] = {}
    samples = 0
    for feeds, where in _feeds(batches, inputs):
        values = _run(session, feeds, where)
        for place, name in enumerate(order):
            low, high = values[2 * place], values[2 * place + 1]
            if not (np.isfinite(low).all() and np.isfinite(high).all()):
                what = f"the tensor `{name}` of the network is NaN or infinite"
                raise DistilError(what, where=where, cure=_CURE)
            if name in found:
                low = np.minimum(low, found[name][0])
                high = np.maximum(high, found[name][1])
            found[name] = (low, high)
        samples += rows_of(feeds)
        on_batch(samples)
    if not samples:
        raise InputError("no samples to calibrate on", cure="give at least one batch")
    return found


def _reduced(model: ModelProto, names: Sequence[str], by_channel: Sequence[str]) -> ModelProto:
    """A copy whose outputs are the least and the largest value of each tensor, in this order."""
    from onnx import TensorProto, helper, numpy_helper

    made = type(model)()
    made.CopyFrom(model)
    opset = next(e.version for e in made.opset_import if e.domain in {"", "ai.onnx"})
    graph = made.graph
    del graph.output[:]
    first = "distil_first_axis"
    graph.initializer.append(numpy_helper.from_array(np.array([0], dtype=np.int64), first))
    for name in (*names, *by_channel):
        source, axes = name, []
        attributes: dict[str, Any] = {}
        if name in by_channel:
            source, shape = f"{name}__flat", f"{name}__shape"
            last, one = f"{shape}_last", _minus_one(made)
            graph.node.append(helper.make_node("Shape", [name], [shape]))  # no `start` before 15
            graph.node.append(helper.make_node("Gather", [shape, one], [last]))
            graph.node.append(helper.make_node("Concat", [one, last], [f"{shape}_2d"], axis=0))
            graph.node.append(helper.make_node("Reshape", [name, f"{shape}_2d"], [source]))
            axes = [first] if opset >= 18 else []
            attributes = {} if opset >= 18 else {"axes": [0]}
        for kind in ("ReduceMin", "ReduceMax"):
            out = f"{name}__{kind}"
            graph.node.append(
                helper.make_node(kind, [source, *axes], [out], keepdims=0, **attributes)
            )
            graph.output.append(helper.make_tensor_value_info(out, TensorProto.FLOAT, None))
    return made


def _minus_one(model: ModelProto) -> str:
    from onnx import numpy_helper

    name = "distil_minus_one"
    if all(tensor.name != name for tensor in model.graph.initializer):
        value = np.array([-1], dtype=np.int64)
        model.graph.initializer.append(numpy_helper.from_array(value, name))
    return name


def clipped(
    model: ModelProto,
    batches: Iterable[Batch],
    extremes: Mapping[str, Range],
    *,
    inputs: Sequence[TensorSpec],
    scratch: Path,
    method: Method,
    divisors: Mapping[str, NDArray[np.float32]] = MappingProxyType({}),
) -> dict[str, Range]:
    """Narrower ranges from counts over (-t, t), t the largest magnitude: onnxruntime's bins.

    extremes: least and largest of each tensor, after its division. divisors: by channel (last axis)
    of a tensor. Tensors of zeros get none.
    """
    counted = {name: pair for name, pair in extremes.items() if max(map(abs, pair)) > 0}
    if not counted:
        return {}
    session = _session(_giving(model, counted), scratch)
    largest = {name: np.float32(max(map(abs, pair))) for name, pair in counted.items()}
    counts = {name: np.zeros(BINS[method], dtype=np.int64) for name in counted}
    for feeds, where in _feeds(batches, inputs):
        values = _run(session, feeds, where)
        for name in reversed(counted):
            limits = (float(-largest[name]), float(largest[name]))
            value = values.pop()
            if name in divisors:
                value = value / divisors[name]
            counts[name] += np.histogram(value, BINS[method], range=limits)[0]
    return {
        name: threshold(method, counts[name], float(largest[name]), *map(float, extremes[name]))
        for name in counted
    }


def _giving(model: ModelProto, names: Iterable[str]) -> ModelProto:
    """A copy whose outputs are these float tensors."""
    from onnx import TensorProto, helper

    made = type(model)()
    made.CopyFrom(model)
    del made.graph.output[:]
    for name in names:
        made.graph.output.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, None))
    return made


def _session(model: ModelProto, scratch: Path) -> InferenceSession:
    path = scratch / "observed.onnx"
    path.write_bytes(model.SerializeToString())
    return open_session(path)


def _feeds(
    batches: Iterable[Batch], inputs: Sequence[TensorSpec]
) -> Iterator[tuple[dict[str, NDArray[Any]], str]]:
    samples = 0
    for batch in batches:
        where = f"calibration batch after {samples} samples"
        feeds = checked_feeds(batch, inputs, where=where)
        if rows_of(feeds):
            yield feeds, where
            samples += rows_of(feeds)


def _run(
    session: InferenceSession, feeds: Mapping[str, NDArray[Any]], where: str
) -> list[NDArray[Any]]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)
            found: list[NDArray[Any]] = session.run(None, dict(feeds))
    except Exception as exc:  # onnxruntime's exceptions have no common base class
        raise runtime_error(exc, where=where) from exc
    return found


def sample_rows(
    model: ModelProto,
    batches: Iterable[Batch],
    names: Sequence[str],
    *,
    inputs: Sequence[TensorSpec],
    scratch: Path,
    most: int,
    seed: int = 0,
) -> dict[str, NDArray[np.float32]]:
    """At most `most` rows (last axis) of each tensor, each row of the stream as likely as any.

    Rows get random keys and those with the smallest are kept: memory does not grow.
    """
    session = _session(_giving(model, names), scratch)
    rng = np.random.default_rng(seed)
    kept: dict[str, tuple[NDArray[np.float64], NDArray[np.float32]]] = {}
    for feeds, where in _feeds(batches, inputs):
        for name, value in zip(names, _run(session, feeds, where), strict=True):
            rows = value.reshape(-1, value.shape[-1])
            keys = rng.random(len(rows))
            first = np.argsort(keys, kind="stable")[:most]
            keys, rows = keys[first], rows[first]
            if name in kept:
                keys = np.concatenate([kept[name][0], keys])
                rows = np.concatenate([kept[name][1], rows])
                first = np.argsort(keys, kind="stable")[:most]
                keys, rows = keys[first], rows[first]
            kept[name] = (keys, rows)
    return {name: rows for name, (_, rows) in kept.items()}
