"""What operators and blocks cost when they alone are quantized, in every scheme."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from numpy.typing import NDArray
from small_graphs import model, node
from small_transformer import ids, small_transformer

from compress.quantize.alone import Alone, Operator, halves, planned, weight_only
from compress.quantize.candidates import without
from compress.quantize.fidelity import answers
from compress.quantize.kinds import as_they_come
from compress.quantize.linear import Form
from compress.quantize.mixed import everything
from compress.quantize.opened import inferred
from compress.quantize.qat import prepare
from compress.quantize.qat_alone import trained
from compress.quantize.sensitivity import Costs, blocks_of, node_costs
from compress.quantize.static import observed
from compress.values import NodeCost
from exporters.artifact import open_artifact
from exporters.values import OnnxArtifact

VNNI = ("avx512_vnni",)
TEXTS = [{"ids": ids(16, seed=number)} for number in range(2)]
HELD_OUT = [{"ids": ids(32, seed=number)} for number in (8, 9)]
PRODUCTS = {"query", "key", "value", "up", "down"}


def _operators(*labels: str) -> list[Operator]:
    return [
        Operator(node=f"n{place}", kind="Conv", label=label, weights=1)
        for place, label in enumerate(labels)
    ]


def test_a_block_is_a_module_that_is_one_of_several_alike() -> None:
    names = (
        "stem.weight",
        "features.0.conv1.weight",
        "features.0.shortcut.0.weight",
        "features.1.conv1.weight",
        "head.weight",
        "onnx::MatMul_12",
    )
    assert blocks_of(_operators(*names)) == {"features.0": ("n1", "n2")}
    assert blocks_of(_operators(*names[1:3])) == {}  # that is the whole file
    assert blocks_of([]) == {}
    layers = [
        f"encoder.layer.{layer}.{part}.weight"
        for layer in range(2)
        for part in ("attention.query", "attention.value", "output.dense")
    ]
    assert blocks_of(_operators(*layers)) == {
        "encoder.layer.0": ("n0", "n1", "n2"),
        "encoder.layer.1": ("n3", "n4", "n5"),
    }
    stages = [f"layer1.{block}.conv{conv}.weight" for block in (0, 1) for conv in (1, 2)]
    found = blocks_of(_operators(*stages, "body.first.weight", "body.second.weight"))
    assert list(found) == ["layer1", "body", "layer1.0", "layer1.1"]


@pytest.fixture
def convolutions(tmp_path: Path) -> OnnxArtifact:
    """(n, 8, 4, 4): a stem, two convolutions of a block, a head."""
    convs = ("stem", "features.0.conv1", "features.0.conv2")
    nodes, last = [], "x"
    for place, name in enumerate(convs):
        nodes.append(node("Conv", last, f"{name}.weight", out=f"c{place}", kernel_shape=[1, 1]))
        nodes.append(node("Relu", f"c{place}", out=f"r{place}"))
        last = f"r{place}"
    nodes += [node("Flatten", last, out="flat"), node("Gemm", "flat", "head.weight", out="y")]
    weights: dict[str, tuple[int, ...]] = {f"{name}.weight": (8, 8, 1, 1) for name in convs}
    weights["head.weight"] = (128, 5)
    onnx.save(model(nodes, weights, shape=("n", 8, 4, 4)), tmp_path / "m.onnx")
    return open_artifact(tmp_path / "m.onnx")


def _images(seed: int) -> NDArray[np.float32]:
    return np.random.default_rng(seed).random((32, 8, 4, 4), dtype=np.float32)


def _by_name(found: Costs) -> Mapping[str, NodeCost]:
    losses = [cost.loss for cost in found.costs]
    assert losses == sorted(losses, reverse=True)
    return {cost.node: cost for cost in found.costs}


def _check_block(costs: Mapping[str, NodeCost]) -> None:
    block = costs["features.0"]
    assert (block.operator, block.operators, block.samples) == ("block", 2, 64)
    inside = [costs[f"features.0.{name}.weight"] for name in ("conv1", "conv2")]
    assert [cost.operators for cost in inside] == [1, 1]
    assert block.loss > 0
    assert block.loss > 0.3 * max(cost.loss for cost in inside)


def test_a_block_costs_what_its_operators_cost_together(
    convolutions: OnnxArtifact, tmp_path: Path
) -> None:
    found = observed(convolutions, [_images(0)], cpu_flags=VNNI, scratch=tmp_path)
    alone = planned(found, everything(found.model))
    costs = _by_name(node_costs(alone, [{"x": _images(1)}, {"x": _images(2)}]))
    assert costs.keys() == {  # a stem of so few products stays in float
        "features.0",
        "features.0.conv1.weight",
        "features.0.conv2.weight",
        "head.weight",
    }
    _check_block(costs)


def test_rounding_that_was_trained_is_told_by_the_trained_weights(
    convolutions: OnnxArtifact,
) -> None:
    network = prepare(convolutions, calibration=[_images(0)], cpu_flags=VNNI)
    samples = [{"x": _images(1)}, {"x": _images(2)}]
    alone = trained(network)
    _check_block(_by_name(node_costs(alone, samples)))
    (scale,) = (grid.scale for name, grid in network.plan.weights.items() if "conv2" in name)
    with torch.no_grad():  # a training that leaves one convolution steps eight times as wide
        getattr(network, f"{network.keys[scale]}_growth").fill_(np.log(8.0))
    before, after = (
        _by_name(node_costs(one, samples))["features.0.conv2.weight"].loss
        for one in (alone, trained(network))
    )
    assert after > 4 * before


def test_nothing_rounded_is_the_trained_network_without_its_rounding(
    convolutions: OnnxArtifact, tmp_path: Path
) -> None:
    network = prepare(convolutions, calibration=[_images(0)], cpu_flags=VNNI)
    alone = trained(network)
    onnx.save(alone.made(()), tmp_path / "exact.onnx")
    onnx.save(alone.made([one.node for one in alone.operators]), tmp_path / "all.onnx")
    samples = [{"x": _images(0)}]  # what calibrated: none is beyond its range
    exact = answers(convolutions.path, samples)
    cut, rounded = (answers(tmp_path / f"{name}.onnx", samples) for name in ("exact", "all"))
    assert np.abs(cut - exact).max() < 0.2 * np.abs(rounded - exact).max()


Make = Callable[[OnnxArtifact, Path], Alone]


def _in_form(form: Form) -> Make:
    def make(artifact: OnnxArtifact, scratch: Path) -> Alone:
        found = observed(artifact, TEXTS, cpu_flags=VNNI, scratch=scratch)
        return planned(found, everything(found.model, form=form))

    return make


def _dynamic(artifact: OnnxArtifact, scratch: Path) -> Alone:
    source = inferred(artifact, scratch)
    return planned(
        *as_they_come(artifact, source, TEXTS, form="dynamic", cpu_flags=VNNI, scratch=scratch)
    )


SCHEMES: Mapping[str, tuple[Make, set[str], float, float]] = {
    "static": (_in_form("static"), PRODUCTS | {"table"}, 1e-7, 0.01),
    "row": (_in_form("row"), PRODUCTS | {"table"}, 1e-7, 0.01),
    "dynamic": (_dynamic, PRODUCTS | {"table"}, 1e-7, 0.01),
    "weight-only": (
        lambda artifact, scratch: weight_only(inferred(artifact, scratch), bits=4),
        PRODUCTS,
        1e-5,
        0.05,
    ),
    "float16": (
        lambda artifact, scratch: halves(inferred(artifact, scratch), "float16"),
        PRODUCTS | {"table"},
        1e-12,
        1e-6,
    ),
}


@pytest.mark.parametrize("scheme", SCHEMES)
def test_products_and_tables_of_a_transformer_have_costs(scheme: str, tmp_path: Path) -> None:
    make, labels, least, most = SCHEMES[scheme]
    alone = make(small_transformer(tmp_path / "m.onnx"), tmp_path)
    found = node_costs(alone, HELD_OUT, outputs="embeddings")
    costs = _by_name(found)
    assert costs.keys() == labels
    assert found.told == found.operators == len(labels)
    assert {cost.operator for cost in found.costs} == {"MatMul", "Gather"} - (
        set() if "table" in labels else {"Gather"}
    )
    assert all(least < cost.loss < most and cost.samples == 64 for cost in found.costs)
    assert all(0 <= cost.changed < 0.5 and cost.outputs == "embeddings" for cost in found.costs)


def test_what_a_mix_leaves_in_float_costs_nothing(tmp_path: Path) -> None:
    source = small_transformer(tmp_path / "m.onnx")
    found = observed(source, TEXTS, cpu_flags=VNNI, scratch=tmp_path)
    whole = everything(found.model)
    first = next(iter(whole.products))
    costs = _by_name(node_costs(planned(found, without(whole, [first])), HELD_OUT))
    assert costs.keys() == (PRODUCTS | {"table"}) - {"query"}
    assert {cost.outputs for cost in costs.values()} == {"classes"}


def test_limits_of_number_and_time_leave_the_smallest_out(tmp_path: Path) -> None:
    alone = weight_only(inferred(small_transformer(tmp_path / "m.onnx"), tmp_path), bits=8)
    found = node_costs(alone, HELD_OUT, most=2)
    assert (found.operators, found.told) == (5, 2)
    assert _by_name(found).keys() == {"up", "down"}
    ticks = iter(range(100))
    short = node_costs(alone, HELD_OUT, limit_s=3.0, clock_s=lambda: float(next(ticks)))
    assert (short.operators, short.told) == (5, 3)
