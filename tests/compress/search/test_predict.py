"""The latency table: exact where time is what it says time is, sensible after one measurement."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from compress.search.predict import BYTES, TABLE, Operator, Table


def conv(width: int, *, kind: str = "conv") -> Operator:
    return Operator(kind=kind, macs=1000 * width, outputs=50 * width, parameters=9 * width)


def network(*widths: int) -> tuple[Operator, ...]:
    return tuple(conv(width) for width in widths)


def truth(operators: tuple[Operator, ...]) -> float:
    return 0.02 + 0.004 * len(operators) + sum(3e-6 * one.macs for one in operators)


def test_nothing_is_predicted_before_anything_was_measured() -> None:
    assert Table().predict("int8", network(8)) is None


@given(st.lists(st.integers(4, 400), min_size=1, max_size=6), st.integers(4, 400))
@settings(max_examples=40, deadline=None)
def test_one_measurement_is_met_and_wider_is_predicted_slower(widths: list[int], more: int) -> None:
    table, seen = Table(), network(*widths)
    table.learn("int8", seen, truth(seen))
    assert table.predict("int8", seen) == pytest.approx(truth(seen), rel=1e-6)
    wider = table.predict("int8", network(*widths, more))
    assert wider is not None
    assert wider > truth(seen)


def test_several_measurements_predict_others_within_a_tenth() -> None:
    table = Table()
    for widths in ((16, 32), (64, 64, 64), (8, 8, 8, 8), (128,)):
        table.learn("int8", network(*widths), truth(network(*widths)))
    for widths in ((24, 48), (96, 96), (40, 40, 40, 40)):
        predicted = table.predict("int8", network(*widths))
        assert predicted == pytest.approx(truth(network(*widths)), rel=0.1)


def test_schemes_are_learnt_apart_and_entries_add_up() -> None:
    table, seen = Table(), network(16, 64)
    table.learn("int8", seen, 1.0)
    table.learn("float32", seen, 4.0)
    assert table.predict("float32", seen) == pytest.approx(4.0)
    entries = [value for _, value in table.entries("int8", seen)]
    assert entries[1] > entries[0] > 0
    assert sum(entries) < 1.0  # the rest is what a file costs on its own


def test_a_depthwise_convolution_is_dearer_per_multiply_until_it_is_known() -> None:
    table = Table()
    mixed = (conv(64), conv(64, kind="depthwise"))
    table.learn("int8", mixed, 1.0)
    entries = [value for _, value in table.entries("int8", mixed)]
    assert entries[1] > 2 * entries[0]


def test_bytes_are_those_of_parameters_and_tables() -> None:
    table = Table(shares=BYTES)
    for width in (8, 64, 256):
        parts = (conv(width), Operator(kind=TABLE, macs=0, outputs=0, parameters=10 * width))
        table.learn("float32", parts, 2000 + 4 * (9 + 10) * width)
    other = (conv(128), Operator(kind=TABLE, macs=0, outputs=0, parameters=1280))
    assert table.predict("float32", other) == pytest.approx(2000 + 4 * 19 * 128, rel=0.1)
