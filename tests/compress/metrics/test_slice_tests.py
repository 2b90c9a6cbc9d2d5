"""Many slices at once: exact for few samples, corrected for their number, untestable ones named."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from compress.gate.slice_rules import slice_part
from compress.metrics.slice_test import drop_p, run_slice_tests
from compress.metrics.slices import (
    binned_members,
    class_members,
    column_members,
    measured_slice,
    members_of,
)
from compress.values import Slice


def _slice(samples: int, lost: int, gained: int = 0, *, right: int | None = None) -> Slice:
    right = round(0.9 * samples) if right is None else right
    return Slice(
        kind="class",
        name=f"{samples}-{lost}",
        samples=samples,
        reference_right=right,
        candidate_right=right - lost + gained,
        lost=lost,
        gained=gained,
        lost_ids=(),
    )


def test_p_is_exact_where_it_can_be_said_by_hand() -> None:
    # No drop allowed: at its edge every flip is as likely a loss as a gain.
    assert drop_p(5, 0, 5, margin=0.0) == pytest.approx(0.5**5, rel=1e-3)
    assert drop_p(0, 0, 5, margin=0.0) == 1.0


def test_p_of_many_samples_is_the_score_test() -> None:
    assert drop_p(30, 0, 1000, margin=0.03) == pytest.approx(0.5)
    assert drop_p(60, 10, 1000, margin=0.03) < 0.01


@given(samples=st.integers(1, 25), share=st.floats(0, 1), margin=st.sampled_from([0.0, 0.03, 0.2]))
def test_more_lost_answers_never_raise_p(samples: int, share: float, margin: float) -> None:
    lost = int(share * (samples - 1))
    assert (
        drop_p(lost + 1, 0, samples, margin=margin)
        <= drop_p(lost, 0, samples, margin=margin) + 1e-9
    )


def test_exact_p_keeps_its_level() -> None:
    """Of outcomes drawn at the edge of H0 (30 samples, 10 % lost beyond those gained) p is below
    .05 in at most 5 %, but for chance."""
    generator = np.random.default_rng(3)
    drawn = generator.multinomial(30, [0.15, 0.05, 0.8], size=4000)
    ps = {pair: drop_p(*pair, 30, margin=0.1) for pair in {(int(a), int(b)) for a, b, _ in drawn}}
    hits = np.mean([ps[int(a), int(b)] <= 0.05 for a, b, _ in drawn])
    assert 0.02 < hits < 0.058


def test_holm_blocks_and_benjamini_hochberg_warns() -> None:
    tests = run_slice_tests([_slice(1000, 61), _slice(1000, 44), _slice(1000, 20)], 0.03)
    ps = [test.p for test in tests]
    assert ps[0] is not None
    assert ps[1] is not None
    assert tests[0].holm == pytest.approx(3 * ps[0])
    assert tests[1].holm == pytest.approx(2 * ps[1])
    assert tests[1].discovery == pytest.approx(1.5 * ps[1])
    assert [test.worse for test in tests] == [True, True, False]
    near = run_slice_tests([_slice(1000, 40)] + [_slice(1000, 20)] * 2, 0.03)
    assert [near[0].worse, near[0].suspect] == [False, True]


def test_a_slice_too_small_for_any_verdict_is_named_and_costs_the_others_nothing() -> None:
    large = _slice(1000, 50)
    alone = run_slice_tests([large], 0.03)[0]
    many = run_slice_tests([large, *[_slice(2, 2, right=2)] * 40], 0.03)
    assert many[0].holm == alone.holm
    assert {test.p for test in many[1:]} == {None}
    needed = many[1].needed
    assert needed is not None
    assert 3 <= needed <= 10
    assert drop_p(needed, 0, needed, margin=0.03) <= 0.05


def test_what_is_needed_of_grouped_samples_is_told_in_groups() -> None:
    """Two recordings of 100 samples each tell no more than two samples."""
    grouped = replace(_slice(200, 100, right=200), groups=2, spread=0.5)
    single = _slice(2, 1, right=2)
    (of_groups,), (of_samples,) = (run_slice_tests([one], 0.03) for one in (grouped, single))
    assert (of_groups.p, of_samples.p) == (None, None)
    assert of_groups.needed == of_samples.needed == 5  # 0.515^5 is below .05, 0.515^4 is not
    reason = slice_part(of_groups, 0.03).reason
    assert "about 5 groups would do; 2 groups, 200 samples, 100 lost" in reason
    assert "about 5 would do; 2 samples, 1 lost" in slice_part(of_samples, 0.03).reason


def test_few_groups_that_lose_all_prove_no_more_than_as_many_samples() -> None:
    """Nothing varies among groups that all lost everything: that is not certainty."""
    two, nine = (
        replace(_slice(100 * groups, 100 * groups, right=100 * groups), groups=groups, spread=0.0)
        for groups in (2, 9)
    )
    (of_two,), (of_nine,) = (run_slice_tests([one], 0.03) for one in (two, nine))
    assert (of_two.p, of_two.needed) == (None, 5)
    assert of_nine.p == drop_p(9, 0, 9, margin=0.03) > 0.0
    assert of_nine.worse


def test_a_slice_where_the_reference_is_never_right_can_not_fall() -> None:
    (found,) = run_slice_tests([_slice(50, 0, right=0)], 0.03)
    assert (found.p, found.needed) == (None, None)


def test_twenty_slices_at_the_limit_raise_a_false_alarm_in_one_run_of_twenty() -> None:
    generator = np.random.default_rng(1)
    alarms = 0
    for _ in range(300):
        drawn = generator.multinomial(400, [0.05, 0.02, 0.93], size=20)
        slices = [_slice(400, int(lost), int(gained)) for lost, gained, _ in drawn]
        alarms += any(test.worse for test in run_slice_tests(slices, 0.03))
    assert alarms / 300 < 0.085  # 5 % and 2.8 standard errors


def test_slices_of_groups_are_tested_by_the_spread_over_groups() -> None:
    labels = np.zeros(400, dtype=np.int64)
    before = np.zeros(400, dtype=np.int64)
    after = np.where(np.arange(400) < 40, 1, 0)
    (members,) = class_members(labels, ("a", "b"))
    ids = np.arange(400)
    alone = measured_slice(members, before, after, labels, ids)
    grouped = measured_slice(members, before, after, labels, ids, groups=ids // 40)
    assert (alone.lost, alone.spread, grouped.groups) == (40, None, 10)
    assert alone.lost_ids == tuple(range(20))
    assert run_slice_tests([alone], 0.03)[0].worse
    assert not run_slice_tests([grouped], 0.03)[0].worse  # one recording of ten, however long


def test_columns_and_bins_cover_every_sample_once() -> None:
    generator = np.random.default_rng(0)
    labels = generator.integers(0, 3, 200)
    columns = {"site": np.array(["a", "b", "c", "d"])[generator.integers(0, 4, 200)]}
    numbers = {"brightness": generator.random(200)}
    found = members_of(labels, ("x", "y", "z"), columns=columns, numbers=numbers, by=None)
    for kind, count in (("class", 3), ("site", 4), ("brightness", 4)):
        rows = np.stack([m.rows for m in found if m.kind == kind])
        assert rows.shape[0] == count
        assert (rows.sum(axis=0) == 1).all()
    assert {
        m.kind
        for m in members_of(labels, ("x", "y", "z"), columns=columns, numbers={}, by=("site",))
    } == {"site"}


def test_many_values_share_a_slice_and_equal_numbers_are_no_bins() -> None:
    names = [m.name for m in column_members("word", np.array([f"w{i}" for i in range(60)]))]
    assert len(names) == 51
    assert names[-1] == "10 rarer values"
    assert [m.name for m in binned_members("length", np.full(9, 4.0))] == ["4"]
    mostly = np.array([1.0] * 9 + [0.4, 0.7])
    short = [(m.name, int(m.rows.sum())) for m in binned_members("length", mostly, unit="s")]
    assert short == [("1 s", 9), ("0.4 to 0.7 s", 2)]
    unknown = list(binned_members("age", np.array([1.0, 2.0, 3.0, np.nan])))
    assert unknown[0].name == "unknown"
    assert sum(int(m.rows.sum()) for m in unknown) == 4
