"""Limits on time in an interleaved run: what is in question goes on, and no look is added."""

from __future__ import annotations

import math
import random
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest
from noise_profiles import Floats, epochs_of_twins

from benchmarks import BenchSettings, measure
from benchmarks.epochs import Epoch
from benchmarks.pace import STANDARD, Pace
from benchmarks.question import Question
from benchmarks.series import Series, run_series
from benchmarks.settings import PairLimit
from benchmarks.stats import LOOKS, limit_rows, limit_test
from benchmarks.values import Setting
from exporters.errors import InputError

SERIES = sys.modules["benchmarks.series"]
ROWS = np.random.default_rng(0).random((3, 4), dtype=np.float32)
NS = 10**9


def series(
    monkeypatch: pytest.MonkeyPatch,
    ratios: Sequence[Sequence[float] | Floats],
    asked: Mapping[tuple[int, int], Question],
    *,
    batch: tuple[int, ...] = (1,),
    epochs: int = 12,
    most_epochs: int | None = 96,
) -> Series:
    """A run over made-up epochs in place of processes. ratios: per candidate, the log ratio of each
    epoch, the same at every batch."""
    done = 0

    def epoch(_: object, *, calls: Mapping[tuple[int, int], int], **__: object) -> Epoch:
        nonlocal done
        times = [NS, *(round(NS * math.exp(row[done])) for row in ratios)]
        done += 1
        return Epoch(
            blocks={key: ((times[key[0]],),) * 2 for key in calls},
            cold={index: (1, 1) for index, _ in calls},
        )

    monkeypatch.setattr(SERIES, "run_epoch", epoch)
    monkeypatch.setattr(SERIES, "probe", lambda *_, **__: (None, 1))
    return run_series(
        [None] * (1 + len(ratios)),  # type: ignore[list-item]
        device="cpu",
        threads=1,
        settings=BenchSettings(batch=batch, epochs=epochs, most_epochs=most_epochs),
        rng=random.Random(0),
        seed=0,
        pace=STANDARD,
        tell=lambda *_: None,
        asked=asked,
    )


def spread(epochs: int = 96, *, seed: int = 0, centre: float = 0.0) -> Floats:
    return np.random.default_rng(seed).normal(centre, 0.01, epochs)


def test_a_limit_near_the_value_is_decided_by_going_on(monkeypatch: pytest.MonkeyPatch) -> None:
    ratios = spread(centre=math.log(1.014))
    assert limit_test(ratios[:12], 1.02) == "inconclusive"  # where 12 epochs ended before
    found = series(monkeypatch, [ratios], {(1, 1): Question(limits=(1.02,))})
    assert len(found.epochs) == 24
    assert limit_test(found.log_ratios(0, 1, 1), 1.02) == "met"


def test_a_limit_that_is_far_away_takes_the_planned_epochs_and_one_at_the_value_takes_all(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ratios = spread(centre=math.log(1.02))
    for limit, epochs, word in (
        (1.3, 12, "met"),
        (1 / 8, 12, "violated"),
        (1.02, 96, "inconclusive"),
    ):
        found = series(monkeypatch, [ratios], {(1, 1): Question(limits=(limit,))})
        assert len(found.epochs) == epochs
        assert limit_test(found.log_ratios(0, 1, 1), limit) == word


def test_every_limit_of_a_cell_is_answered(monkeypatch: pytest.MonkeyPatch) -> None:
    """The one that is farther from 1 is nearer to the value: it decides when to stop."""
    ratios = spread(centre=math.log(1 / 3.02))
    for limits, epochs in (((1 / 2,), 12), ((1 / 2, 1 / 3), 24), ((1 / 3,), 24)):
        found = series(monkeypatch, [ratios], {(1, 1): Question(limits=limits)})
        assert len(found.epochs) == epochs


def test_what_is_not_in_question_keeps_the_planned_epochs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    near, other = spread(centre=math.log(1.014)), spread(seed=1)
    asked = {(1, 32): Question(limits=(1.02,))}
    found = series(monkeypatch, [near, other], asked, batch=(1, 32))
    counts = {key: len(found.samples_ns(*key)) for key in found.epochs[0].blocks}
    assert counts == {(0, 1): 12, (1, 1): 12, (2, 1): 12, (0, 32): 24, (1, 32): 24, (2, 32): 12}
    assert [len(found.log_ratios(0, index, 32)) for index in (1, 2)] == [24, 12]
    assert sorted(found.epochs[-1].cold) == [0, 1]
    assert len(series(monkeypatch, [near], {}).epochs) == 12
    asked = {(1, 1): Question(limits=(1.02,))}
    assert len(series(monkeypatch, [near], asked, most_epochs=None).epochs) == 12


@pytest.mark.parametrize("planned", [12, 20])
def test_going_on_adds_no_look_to_those_of_the_rule(
    monkeypatch: pytest.MonkeyPatch, planned: int
) -> None:
    """On typical noise, at a limit and near it: a run that stops by itself says what the whole
    sequence says, also where the planned epochs end between two looks."""
    rows = epochs_of_twins(LOOKS[-1], 5, seed=5) + math.log(1.013)
    words, used = limit_rows(rows, 1.02, tests=2)
    for row, word, needed in zip(rows, words, used, strict=True):
        asked = {(1, 1): Question(limits=(1.02,), tests=2)}
        found = series(monkeypatch, [row], asked, epochs=planned)
        assert limit_test(found.log_ratios(0, 1, 1), 1.02, tests=2) == word
        assert len(found.epochs) == max(planned, needed)
    assert set(words) == {"met", "inconclusive"}


def test_epochs_between_two_looks_answer_nothing_new() -> None:
    ratios = spread(centre=math.log(1.014))[:20]
    question = Question(limits=(1.02,))
    assert limit_test(ratios, 1.02) == "met"  # as the last look, in the place of the 24th epoch's
    assert not question.is_answered(list(ratios), seed=0)
    assert not question.is_answered([], seed=0)
    assert (question.limit, Question(limits=(1.0, 2.0)).limit) == (1.0200, None)
    with pytest.raises(InputError, match="a ratio above 0"):
        Question(limits=(1.0, 0.0))


def test_limits_reach_the_processes_of_the_models_that_they_speak_of(
    make_model: Callable[..., Path], hurried: Pace
) -> None:
    """One planned epoch answers nothing: a second one is run of the pair and the batch in question
    alone. A candidate with the bytes of another is timed as that one."""
    teacher, student = make_model("teacher", seed=1), make_model("student", seed=2)
    files = {"teacher": teacher, "other": make_model("other", seed=3), "twin": student}
    limits = tuple(
        PairLimit(candidate="student", setting=Setting(device="cpu", threads=1, batch=2), ratio=x)
        for x in (1.02, 2.0)
    )
    found = measure(
        {**files, "student": student, "copy": teacher},
        inputs=ROWS,
        settings=BenchSettings(batch=(1, 2), epochs=1, most_epochs=2, limits=limits[:1]),
        seed=0,
        pace=hurried,
    )
    said = {(c.candidate, c.setting.batch): c for c in found.comparisons}
    counts = {key: len(comparison.log_ratios) for key, comparison in said.items()}
    assert counts == {
        ("other", 1): 1, ("other", 2): 1, ("twin", 1): 1, ("twin", 2): 2,
        ("student", 1): 1, ("student", 2): 2, ("copy", 1): 0, ("copy", 2): 0,
    }  # fmt: skip
    assert (said["student", 2].limit, said["student", 2].limit_verdict) == (1.02, "inconclusive")
    assert {c.limit for key, c in said.items() if key != ("student", 2)} == {None}
    assert {m.subject: m.cold_start.samples for m in found.measurements} == {
        "teacher": 2, "other": 1, "twin": 2, "student": 2, "copy": 2,
    }  # fmt: skip
    settings = BenchSettings(limits=limits)
    asked = settings.asked_of("student", limits[0].setting)
    assert asked is not None
    assert asked.limits == (1.02, 2.0)
    assert settings.asked_of("twin", limits[0].setting) is None
    assert BenchSettings().asked_of("twin", limits[0].setting) == Question()
