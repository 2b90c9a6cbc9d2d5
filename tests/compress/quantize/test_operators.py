"""Which nodes stay in float: thin stems, and what comes after the last product."""

from __future__ import annotations

import pytest
from small_graphs import model, node

from compress.quantize.operators import heads, tail, thin_stems


@pytest.mark.parametrize(
    ("channels", "kernel", "is_thin"),
    [(1, 3, True), (3, 3, True), (1, 5, True), (1, 7, False), (3, 5, False), (4, 3, False)],
)
def test_a_stem_is_thin_below_32_products(channels: int, kernel: int, is_thin: bool) -> None:
    graph = model(
        [
            node("Mul", "x", "scale", out="scaled"),
            node("Conv", "scaled", "stem", out="a"),
            node("Conv", "a", "pointwise", out="y"),
        ],
        {"scale": (), "stem": (16, channels, kernel, kernel), "pointwise": (8, 16, 1, 1)},
        shape=("n", channels, 9, 9),
    )
    assert thin_stems(graph) == (("Conv_a",) if is_thin else ())


def test_a_thin_convolution_further_in_is_no_stem() -> None:
    graph = model(
        [
            node("Gemm", "x", "g", out="features"),
            node("Unsqueeze", "features", "axes", out="u"),
            node("Conv", "u", "w", out="y"),
        ],
        {"g": (9, 9), "axes": (2,), "w": (4, 1, 1, 1)},
        shape=("n", 9),
    )
    assert thin_stems(graph) == ()


def test_heads_are_the_last_products_and_the_tail_is_behind_them() -> None:
    graph = model(
        [
            node("MatMul", "x", "w1", out="a"),
            node("Relu", "a", out="b"),
            node("MatMul", "b", "w2", out="c"),
            node("Add", "c", "bias", out="d"),
            node("Softmax", "d", out="y"),
            node("Gemm", "b", "w3", out="z"),
        ],
        {"w1": (4, 4), "w2": (4, 3), "bias": (3,), "w3": (4, 2)},
        shape=("n", 4),
    )
    assert heads(graph) == ("MatMul_c", "Gemm_z")
    assert tail(graph) == ("Add_d", "Softmax_y")


def test_a_convolution_is_no_head() -> None:
    graph = model(
        [node("Conv", "x", "w", out="a"), node("GlobalAveragePool", "a", out="y")],
        {"w": (5, 8, 1, 1)},
        shape=("n", 8, 4, 4),
    )
    assert heads(graph) == ()
    assert tail(graph) == ()
