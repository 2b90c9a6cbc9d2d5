"""The choice among candidates, with times that are given: speed, accuracy, batch mates."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from small_transformer import ids, small_transformer

from compress.quantize.auto import choose
from compress.quantize.candidates import plans
from compress.quantize.choice import Choice, Wanted
from compress.quantize.fidelity import answers, fidelity
from compress.quantize.samples import split_samples
from compress.quantize.static import observed


def chosen(
    folder: Path,
    *,
    static: float,
    row: float,
    dynamic: float,
    drop: float,
    twice: float = 5.0,
    table_outlier: float = 1.0,
) -> Choice:
    """Float takes 10 ms; what has operators in float takes 5 ms, or twice with two steps."""
    source = small_transformer(folder / "float.onnx", outlier=30.0, table_outlier=table_outlier)
    samples = split_samples(ids(96), source.inputs)
    # 7-bit weights: right on every processor, so that accuracy is the same everywhere.
    found = observed(source, samples.calibration, cpu_flags=("avx2",), scratch=folder)
    given = {"": 10.0, "static": static, "row": row, "dynamic": dynamic}
    by_number = dict(enumerate(plans(found.model)))

    def times(files: Mapping[str, Path], feeds: Any, **settings: Any) -> dict[str, float]:
        other = {name: twice if "two steps" in name else 5.0 for name in files}
        return {name: given.get(name, other[name]) for name in files}

    assert list(by_number.values()) == ["static", "row", "dynamic"]
    reference = answers(source.path, samples.held_out)
    return choose(
        found,
        source,
        samples,
        reference=reference,
        wanted=Wanted(
            judge=lambda path, depends: fidelity(
                reference, answers(path, samples.held_out), metric="cosine"
            ),
            max_drop=drop,
            feeds=samples.held_out[0],
            threads=1,
            seed=0,
            times=times,
        ),
        scratch=folder,
        tell=lambda event: None,
    )


def test_the_fastest_whose_answers_stand_alone_is_taken(tmp_path: Path) -> None:
    """Though a dynamic one is faster still."""
    made = chosen(tmp_path, static=4.0, row=6.0, dynamic=3.0, drop=0.01)
    assert (made.name, made.batch_changes) == ("static", 0.0)
    assert [(one.name, one.outcome) for one in made.tried] == [
        ("row", "not looked at: a faster one was taken"),
        ("static", "taken"),
    ]


def test_a_dynamic_one_is_taken_where_no_other_is_faster(tmp_path: Path) -> None:
    made = chosen(tmp_path, static=11.0, row=12.0, dynamic=6.0, drop=0.01)
    assert made.name == "dynamic"
    assert made.batch_changes is not None
    assert made.tried[0].outcome == "not faster than float"


def test_nothing_is_taken_where_nothing_is_faster(tmp_path: Path) -> None:
    made = chosen(tmp_path, static=10.0, row=12.0, dynamic=9.9, drop=0.01)
    assert made.path is None
    assert made.best.startswith(
        "no candidate was faster than float: the nearest, dynamic, takes 9.9 ms"
    )


@pytest.mark.parametrize(("twice", "word"), [(5.0, "in two steps"), (9.9, "in float")])
def test_one_that_loses_too_much_gets_its_most_sensitive_operators_in_finer_steps(
    twice: float, word: str, tmp_path: Path
) -> None:
    """In float where two steps of int8 are not faster than that, or don't do."""
    whole = chosen(tmp_path, static=4.0, row=20.0, dynamic=20.0, drop=1.0)
    assert whole.fidelity is not None
    drop = 0.97 * whole.fidelity.drop
    made = chosen(tmp_path, static=4.0, row=20.0, dynamic=20.0, drop=drop, twice=twice)
    assert made.fidelity is not None
    assert made.plan is not None
    assert made.name in {f"static, {count} sensitive {word}" for count in (1, 2)}
    assert made.fidelity.drop <= drop
    assert set(made.sensitive).isdisjoint(made.plan.products)
    in_two = [form for form in made.plan.products.values() if form == "twice"]
    assert bool(in_two) is (word == "in two steps")
    assert bool(made.sensitive) is (word == "in float")


def test_a_table_that_costs_the_accuracy_alone_goes_back_to_float(tmp_path: Path) -> None:
    """Its rows hold one number 3,000 times larger than the others, which share no level. Last of
    all: such a file is larger."""
    made = chosen(tmp_path, static=4.0, row=20.0, dynamic=20.0, drop=0.01, table_outlier=3000.0)
    assert made.path is not None
    assert made.plan is not None
    assert made.fidelity is not None
    assert (made.name, made.sensitive) == ("static, tables in float", ())
    assert not made.plan.tables
    assert set(made.plan.products.values()) == {"static"}
    first, *_, last = [one for one in made.tried if one.fidelity is not None]
    assert (first.name, first.outcome) == ("static", "loses too much")
    assert first.fidelity is not None
    assert first.fidelity.drop > 0.1
    assert (last.name, last.outcome) == (made.name, "taken")
    stored = {t.name: t for t in onnx.load(made.path).graph.initializer}
    assert stored["table"].data_type == onnx.TensorProto.FLOAT


def test_products_in_finer_steps_and_a_table_in_float_go_together(tmp_path: Path) -> None:
    """Where neither would do alone."""
    settings = {"static": 4.0, "row": 20.0, "dynamic": 20.0, "table_outlier": 3000.0}
    alone = chosen(tmp_path, drop=0.01, **settings)
    assert alone.fidelity is not None
    made = chosen(tmp_path, drop=0.97 * alone.fidelity.drop, **settings)
    assert made.plan is not None
    assert not made.plan.tables
    assert made.name.endswith(("in two steps, tables in float", "in float, tables in float"))
    assert len([form for form in made.plan.products.values() if form == "static"]) < 5


def test_no_table_is_left_in_float_where_products_alone_are_to_blame(tmp_path: Path) -> None:
    whole = chosen(tmp_path, static=4.0, row=20.0, dynamic=20.0, drop=1.0)
    assert whole.fidelity is not None
    drop = 0.97 * whole.fidelity.drop
    made = chosen(tmp_path, static=4.0, row=20.0, dynamic=20.0, drop=drop)
    assert made.plan is not None
    assert made.plan.tables
    assert not any("tables" in one.name for one in made.tried)


def test_the_nearest_miss_is_told(tmp_path: Path) -> None:
    made = chosen(tmp_path, static=4.0, row=5.0, dynamic=6.0, drop=0.0)
    assert made.path is None
    assert "loses 0.0" in made.best
    assert "(allowed: 0.00 pp)" in made.best


def test_metrics_are_shares_of_the_float_answers_that_are_kept() -> None:
    """Four samples: one class of four changes; with labels the loss is of right answers."""
    exact = np.eye(4)
    changed = exact.copy()
    changed[0] = [0.0, 1.0, 0.0, 0.0]
    assert fidelity(exact, changed, metric="top1").value == 0.75
    kept = fidelity(exact, changed, metric="accuracy", labels=np.array([1, 1, 2, 0]))
    assert (kept.value, kept.reference, kept.drop) == (0.75, 0.5, -0.25)
    assert fidelity(exact, changed, metric="cosine").value == pytest.approx(0.75)
    pairs = np.array([[1, 0.1], [1, 0], [0.1, 1], [0, 1.0]])
    assert fidelity(pairs, pairs[[0, 2, 1, 3]], metric="nearest").value == 0.0
