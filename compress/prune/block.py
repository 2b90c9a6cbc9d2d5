"""Which multiple of channels is fast here: measured with onnxruntime, never assumed."""

from __future__ import annotations

import random
import statistics
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from benchmarks.quiet import exclusive_timing
from exporters.artifact import open_artifact
from exporters.session import open_session

Work = Literal["conv", "gemm"]
WIDTHS = (8, 16, 17, 24, 32, 48)
# A width that is a multiple of the block and of nothing larger that is asked about.
_STANDS_FOR = {1: 17, 8: 24, 16: 48, 32: 32}
_AS_GOOD = 0.85  # of the throughput at 32 channels
_ROUNDS, _CALLS = 15, 8
_SIDE, _ROWS, _DEPTH = 28, 64, 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """channels: widths come in multiples of it. median_us: width -> one call of _DEPTH layers."""

    work: Work
    channels: int
    median_us: Mapping[int, float]

    @property
    def reason(self) -> str:
        """What a width that fills no block costs here."""
        times = self.median_us
        return (
            f"{self.work}: 17 channels take {times[17] / times[16]:.2f}x the time of 16, "
            f"24 take {times[24] / times[32]:.2f}x that of 32"
        )


def measure_block(
    work: Work, *, rounds: int = _ROUNDS, clock_ns: Callable[[], int] = time.perf_counter_ns
) -> Block:
    """Time layers of each width, shuffled and interleaved, while nothing else is timed here.

    The block is the smallest of 1, 8, 16, 32 whose widths reach 85 % of the throughput of 32
    channels. One thread. Raises as open_session does.
    """
    with tempfile.TemporaryDirectory(prefix="distil-block-") as folder:
        calls = {width: _call(work, width, Path(folder)) for width in WIDTHS}
        with exclusive_timing():
            times = _times(calls, rounds=rounds, clock_ns=clock_ns)
    medians = {width: statistics.median(taken) / 1000 for width, taken in times.items()}
    return Block(work=work, channels=block_of(work, medians), median_us=medians)


def block_of(work: Work, median_us: Mapping[int, float]) -> int:
    """The decision from the table alone."""

    def speed(width: int) -> float:
        return float(width ** (2 if work == "conv" else 1)) / median_us[width]

    for block, width in _STANDS_FOR.items():
        if speed(width) >= _AS_GOOD * speed(32):
            return block
    return 32


def _times(
    calls: Mapping[int, Callable[[], object]], *, rounds: int, clock_ns: Callable[[], int]
) -> dict[int, list[float]]:
    times: dict[int, list[float]] = {width: [] for width in calls}
    for call in calls.values():
        call()
    order, draw = list(calls), random.Random(0)
    for _ in range(rounds):
        draw.shuffle(order)
        for width in order:
            started = clock_ns()
            for _ in range(_CALLS):
                calls[width]()
            times[width].append((clock_ns() - started) / _CALLS)
    return times


def _call(work: Work, width: int, folder: Path) -> Callable[[], object]:
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    draw = np.random.default_rng(0)
    conv = work == "conv"
    inner = width if conv else 256
    given = (1, width, _SIDE, _SIDE) if conv else (_ROWS, 256)
    nodes, weights, current = [], [], "x"
    for index in range(_DEPTH):
        shape = (width, inner, 3, 3) if conv else ((256, width) if index % 2 == 0 else (width, 256))
        value = draw.standard_normal(shape).astype(np.float32) / 64
        weights.append(numpy_helper.from_array(value, f"w{index}"))
        following = f"y{index}"
        if conv:
            node = helper.make_node(
                "Conv", [current, f"w{index}"], [following], pads=[1] * 4, kernel_shape=[3, 3]
            )
        else:
            node = helper.make_node("MatMul", [current, f"w{index}"], [following])
        nodes.append(node)
        current = following
    graph = helper.make_graph(
        nodes,
        "block",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, given)],
        [helper.make_tensor_value_info(current, TensorProto.FLOAT, given)],
        weights,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    path = folder / f"{work}-{width}.onnx"
    onnx.save(model, str(path))
    session = open_session(open_artifact(path).path)
    feed = {"x": draw.standard_normal(given).astype(np.float32)}
    return lambda: session.run(None, feed)
