"""Which file ships: numbers in, a decision in plain words out."""

from __future__ import annotations

import json
from typing import Literal

import pytest
from pydantic import TypeAdapter

from benchmarks.values import Comparison, ComparisonWord, Setting
from compress.quantize.choose import choose_quantization
from compress.quantize.words import stored_as
from compress.recipe.nodes import QuantizeNode, SchemeQuantize, StaticQuantize


def compared(
    verdict: ComparisonWord = "faster", speedup: float = 1.64, batch: int = 1
) -> Comparison:
    return Comparison(
        reference="float32",
        candidate="int8",
        setting=Setting(device="cpu", threads=1, batch=batch),
        log_ratios=(-0.5, -0.49),
        speedup=speedup,
        speedup_low=speedup - 0.04,
        speedup_high=speedup + 0.05,
        verdict=verdict,
        smallest_detectable=0.02,
    )


def choose(
    *,
    kind: Literal["auto", "static"] = "auto",
    float32: float = 0.92,
    int8: float = 0.918,
    max_drop: float = 0.005,
    comparison: Comparison | None,
) -> tuple[str, str]:
    decision = choose_quantization(
        kind=kind,
        float32_accuracy=float32,
        int8_accuracy=int8,
        samples=5000,
        max_drop=max_drop,
        comparison=comparison,
    )
    assert decision.question == "quantize"
    assert not decision.pinned
    assert json.loads(json.dumps(decision.evidence, allow_nan=False))["samples"] == 5000
    return decision.chosen, decision.reason


def test_faster_and_good_enough_ships() -> None:
    assert choose(comparison=compared()) == (
        "int8",
        "int8 is faster: 1.64x (95 % interval 1.60 to 1.69x) at batch 1, 1 thread, and it loses "
        "0.20 pp of accuracy on 5,000 validation samples (the limit is 0.50 pp)",
    )


@pytest.mark.parametrize("verdict", ["slower", "no-slower", "inconclusive", "identical"])
def test_auto_never_ships_what_is_not_faster(verdict: ComparisonWord) -> None:
    chosen, reason = choose(comparison=compared(verdict, 0.9))
    assert chosen == "float32"
    assert reason.startswith("float32 is kept: int8 is ")


def test_auto_never_ships_what_was_not_timed() -> None:
    chosen, reason = choose(comparison=None)
    assert chosen == "float32"
    assert "int8 was not timed" in reason


@pytest.mark.parametrize("kind", ["auto", "static"])
def test_a_larger_drop_is_never_shipped(kind: Literal["auto", "static"]) -> None:
    chosen, reason = choose(kind=kind, int8=0.9148, comparison=compared())
    assert chosen == "float32"
    assert "it loses 0.52 pp of accuracy" in reason
    assert "more than allowed: the limit is 0.50 pp" in reason


def test_what_ships_says_at_which_other_settings_it_is_slower() -> None:
    decision = choose_quantization(
        kind="auto",
        float32_accuracy=0.92,
        int8_accuracy=0.92,
        samples=5000,
        max_drop=0.005,
        comparison=compared(),
        elsewhere=(compared("faster", 2.0, batch=8), compared("slower", 0.9, batch=32)),
    )
    assert decision.chosen == "int8"
    assert decision.reason.endswith(
        "(the limit is 0.50 pp); but it is slower: 0.90x (95 % interval 0.86 to 0.95x) at batch "
        "32, 1 thread"
    )
    said = [(one["batch"], one["verdict"]) for one in decision.evidence["elsewhere"]]
    assert said == [(8, "faster"), (32, "slower")]


@pytest.mark.parametrize("comparison", [compared("slower", 0.8), None])
def test_static_ships_whatever_the_speed(comparison: Comparison | None) -> None:
    chosen, reason = choose(kind="static", comparison=comparison)
    assert chosen == "int8"
    assert "`static` was asked for" in reason


def test_a_drop_of_exactly_the_limit_holds() -> None:
    """0.9 - 0.895 is 0.0050000000000000044 in binary."""
    assert choose(float32=0.9, int8=0.895, comparison=compared())[0] == "int8"


def test_a_gain_and_no_change_are_said() -> None:
    assert "it gains 0.04 pp" in choose(float32=0.9, int8=0.9004, comparison=compared())[1]
    assert "its accuracy is the same" in choose(float32=0.9, int8=0.9, comparison=compared())[1]


@pytest.mark.parametrize(
    ("given", "stored"),
    [
        ({"kind": "float16"}, "float16"),
        ({"kind": "weight-only", "bits": 4}, "int4"),
        ({"kind": "weight-only"}, "int8"),
        ({"kind": "dynamic"}, "int8"),
        ({"kind": "row"}, "int8"),
        ({"kind": "bfloat16"}, "bfloat16"),
        ({"kind": "auto"}, "int8"),
    ],
)
def test_a_file_is_called_by_what_it_holds(given: dict[str, object], stored: str) -> None:
    node = TypeAdapter[QuantizeNode](QuantizeNode).validate_python(given)
    assert isinstance(node, StaticQuantize | SchemeQuantize)
    assert stored_as(node) == stored
    decision = choose_quantization(
        kind=node.kind,
        float32_accuracy=0.92,
        int8_accuracy=0.92,
        samples=5000,
        max_drop=0.005,
        comparison=compared(),
        stored=stored,
    )
    assert decision.chosen == stored
    assert decision.reason.startswith(f"{stored} is faster")
    assert f"{stored}_accuracy" in decision.evidence
