"""What `auto` tries: chains with and without the parts that seldom gain, and forms of products."""

from __future__ import annotations

from pathlib import Path

import onnx
from small_graphs import model, node
from small_transformer import small_transformer

from compress.quantize.api import quantize
from compress.quantize.candidates import behind_a_mean, depthwise, is_invariant, plans, without
from compress.quantize.kept import kept_in_float


def gated(path: Path) -> onnx.ModelProto:
    """Depthwise and pointwise convolutions, a gate over the mean, a head over a second mean."""
    made = model(
        [
            node("Conv", "x", "w", out="first", pads=[1, 1, 1, 1]),
            node("Conv", "first", "d", out="deep", group=8, pads=[1, 1, 1, 1]),
            node("Conv", "deep", "p", out="points"),
            node("GlobalAveragePool", "points", out="mean"),
            node("Conv", "mean", "s", out="squeezed"),
            node("Sigmoid", "squeezed", out="gate"),
            node("Mul", "points", "gate", out="gated"),
            node("Conv", "gated", "q", out="last"),
            node("GlobalAveragePool", "last", out="pooled"),
            node("Flatten", "pooled", out="flat"),
            node("Gemm", "flat", "h", out="y"),
        ],
        {
            "w": (8, 8, 3, 3), "d": (8, 1, 3, 3), "p": (16, 8, 1, 1), "s": (16, 16, 1, 1),
            "q": (8, 16, 1, 1), "h": (8, 5),
        },
        shape=("n", 8, 6, 6),
    )  # fmt: skip
    return onnx.shape_inference.infer_shapes(made)


def test_parts_that_seldom_gain_are_found(tmp_path: Path) -> None:
    made = gated(tmp_path)
    assert depthwise(made) == ("Conv_deep",)
    assert behind_a_mean(made) == (
        "GlobalAveragePool_mean", "Conv_squeezed", "Sigmoid_gate", "Mul_gated",
    )  # fmt: skip


def test_a_convolutional_network_is_tried_with_and_without_them(tmp_path: Path) -> None:
    found = plans(gated(tmp_path))
    assert list(found) == [
        "static",
        "static, depthwise in float",
        "static, gates in float",
        "static, depthwise and gates in float",
    ]
    assert "Conv_deep" not in found["static, depthwise in float"].chain
    assert "Conv_squeezed" in found["static, depthwise in float"].chain
    kept = kept_in_float(gated(tmp_path), found["static, depthwise and gates in float"])
    assert [(one.node, one.reason.split(":")[0]) for one in kept] == [
        ("d", "a depthwise convolution"),
        ("s", "a gate over a mean"),
    ]


def test_what_a_named_scheme_leaves_is_not_said_to_have_been_timed(tmp_path: Path) -> None:
    source = tmp_path / "gated.onnx"
    onnx.save(gated(tmp_path), source)
    found = quantize(source, path=tmp_path / "made.onnx", scheme="dynamic", timed=False)
    assert {one.operator for one in found.kept_float} == {"Conv"}
    assert all(one.reason.endswith("`dynamic` has no form for it") for one in found.kept_float)


def test_a_transformer_is_tried_in_each_form_and_dynamic_last(tmp_path: Path) -> None:
    artifact = small_transformer(tmp_path / "m.onnx")
    made = onnx.load(artifact.path)
    for number, one in enumerate(made.graph.node):
        one.name = f"n{number}"
    found = plans(made)
    assert list(found) == ["static", "row", "dynamic"]
    assert [is_invariant(plan) for plan in found.values()] == [True, True, False]
    assert len(found["static"].products) == 5
    fewer = without(found["row"], [next(iter(found["row"].products))])
    assert len(fewer.products) == 4
