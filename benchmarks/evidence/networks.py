"""Networks whose relation is known by construction: twins of equal work, and one layer more.

A byte copy can't show a bias that belongs to a file's layout, so a twin has other bytes: its
initialisers in another order, its nodes and tensors renamed, other weights, or all of these.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

Family = Literal["conv", "residual", "separable", "dense"]
Change = Literal["permuted", "renamed", "weights", "all"]
Kind = Literal["twin", "plus2", "plus5"]
FAMILIES: tuple[Family, ...] = get_args(Family)
CHANGES: tuple[Change, ...] = get_args(Change)
KINDS: tuple[Kind, ...] = get_args(Kind)
DEPTHS: dict[Kind, tuple[int, int]] = {"twin": (50, 50), "plus2": (50, 51), "plus5": (20, 21)}
# (channels, side), or (width, rows): 1 to 2 ms on one thread of a server core of 2022.
_SIZES: dict[tuple[Family, int], tuple[int, int]] = {
    ("conv", 50): (16, 24),
    ("conv", 20): (16, 40),
    ("residual", 50): (16, 20),
    ("residual", 20): (16, 36),
    ("separable", 50): (16, 52),
    ("separable", 20): (16, 90),
    ("dense", 50): (96, 176),
    ("dense", 20): (160, 188),
}
Weights = NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """Two networks, named by kind and number: the same pair on every machine. area: how many times
    the positions of the usual input, 1 or 4."""

    kind: Kind
    number: int
    area: int = 1

    @property
    def name(self) -> str:
        return f"{self.kind}-{self.number}"

    @property
    def family(self) -> Family:
        return FAMILIES[self.number % len(FAMILIES)]

    @property
    def change(self) -> Change:
        """How a twin differs; pairs of unequal depth differ by a layer alone."""
        return CHANGES[self.number // len(FAMILIES) % len(CHANGES)]

    @property
    def depths(self) -> tuple[int, int]:
        """Identical layers of the two. Every other 16 twins have 20, so that both are covered."""
        if self.kind == "twin" and self.number // 16 % 2:
            return 20, 20
        return DEPTHS[self.kind]

    @property
    def expected(self) -> float:
        """The true ratio of times, but for what a call costs without its layers."""
        first, second = self.depths
        return second / first

    def input_shape(self) -> tuple[int, ...]:
        """Of the one input, `x`."""
        size, side = _SIZES[self.family, self.depths[0]]
        if self.family == "dense":
            return (1, self.area * side, size)
        return (1, size, *(round(self.area**0.5 * side),) * 2)


def write_pair(pair: Pair, folder: Path) -> tuple[Path, Path]:
    """Both files, written from the pair's number alone."""
    first, second = folder / "reference.onnx", folder / "candidate.onnx"
    change = pair.change if pair.kind == "twin" else None
    onnx.save(_network(pair, pair.depths[0], change=None), first)
    onnx.save(_network(pair, pair.depths[1], change=change), second)
    return first, second


def feed(pair: Pair) -> NDArray[np.float32]:
    """Seeded normal samples: no denormals."""
    rng = np.random.default_rng([pair.number, 7])
    return rng.standard_normal(pair.input_shape()).astype(np.float32)


def _network(pair: Pair, depth: int, *, change: Change | None) -> onnx.ModelProto:
    size, _ = _SIZES[pair.family, pair.depths[0]]
    other = change in ("weights", "all")
    renamed = change in ("renamed", "all")
    nodes: list[onnx.NodeProto] = []
    stored: list[onnx.TensorProto] = []
    at = "x"
    for index in range(depth):
        rng = np.random.default_rng([KINDS.index(pair.kind), pair.number, index, int(other)])
        prefix = f"module/{index:03}/stage_" if renamed else f"l{index}_"
        at = _layer(pair.family, size, prefix, at, rng, nodes, stored)
    nodes.append(helper.make_node("Identity", [at], ["y"], name="end"))
    if change in ("permuted", "all"):
        order = np.random.default_rng(pair.number).permutation(len(stored))
        stored = [stored[place] for place in order]
    shape = list(pair.input_shape())
    graph = helper.make_graph(
        nodes,
        "main",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, shape)],
        stored,
    )
    opset = helper.make_opsetid("", 17)
    return helper.make_model(graph, opset_imports=[opset], ir_version=8)


def _layer(
    family: Family,
    size: int,
    prefix: str,
    at: str,
    rng: np.random.Generator,
    nodes: list[onnx.NodeProto],
    stored: list[onnx.TensorProto],
) -> str:
    """One layer behind the tensor `at`; returns the name of its output."""

    def add(op: str, inputs: list[str], output: str, **attributes: Any) -> str:
        nodes.append(
            helper.make_node(op, inputs, [prefix + output], name=f"{prefix}{op}", **attributes)
        )
        return prefix + output

    def weights(name: str, shape: tuple[int, ...], fan_in: int) -> str:
        # He's scale keeps the signal's size over 50 layers: neither denormals nor infinities.
        drawn = rng.standard_normal(shape) * np.sqrt(2 / fan_in)
        stored.append(numpy_helper.from_array(drawn.astype(np.float32), prefix + name))
        return prefix + name

    pads = [1, 1, 1, 1]
    match family:
        case "conv":
            kernel = weights("w", (size, size, 3, 3), size * 9)
            return add("Relu", [add("Conv", [at, kernel], "c", pads=pads)], "r")
        case "residual":
            kernel = weights("w", (size, size, 3, 3), size * 9 * 50)
            sum_ = add("Add", [add("Conv", [at, kernel], "c", pads=pads), at], "s")
            return add("Relu", [sum_], "r")
        case "separable":
            deep = weights("d", (size, 1, 3, 3), 18)  # no Relu behind it: half the scale
            wide = weights("p", (size, size, 1, 1), size)
            inner = add("Conv", [at, deep], "c", pads=pads, group=size)
            nodes[-1].name = f"{prefix}Depthwise"
            return add("Relu", [add("Conv", [inner, wide], "q")], "r")
        case "dense":
            matrix = weights("w", (size, size), size)
            return add("Relu", [add("MatMul", [at, matrix], "c")], "r")
