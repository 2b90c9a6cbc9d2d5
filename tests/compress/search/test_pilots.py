"""The race that fits a time."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from compress.search.pilots import Costs, Plan, Setting, plan_pilots, smallest_budget

ARMS = ("kd", "kd, standardized", "dkd", "dist")
COSTS = Costs(pilot_s=2.0, epoch_s=10.0, view_s=30.0)


def planned(budget_s: float, *, epochs: int = 12, views: int = 4) -> Plan | None:
    setting = Setting(costs=COSTS, controls=2, epochs=epochs, views=views)
    return plan_pilots(ARMS, setting, budget_s=budget_s)


def test_five_seeds_of_all_arms_where_there_is_time() -> None:
    plan = planned(1830)
    assert plan is not None
    assert (plan.arms, plan.seeds, plan.rungs) == (ARMS, 5, (2, 4))
    # 6 arms and controls of 2 epochs, then 4 of 4, five seeds each; three more views
    assert plan.seconds == 5 * (6 * 22 + 4 * 42) + 3 * 30


def test_less_time_means_fewer_seeds_then_shorter_rounds_then_fewer_arms() -> None:
    def shape(budget_s: float) -> tuple[int, int, tuple[int, ...]] | None:
        plan = planned(budget_s)
        return None if plan is None else (len(plan.arms), plan.seeds, plan.rungs)

    assert shape(1100) == (4, 3, (2, 4))
    assert shape(900) == (4, 5, (1, 2))
    assert shape(600) == (4, 3, (1, 2))
    assert shape(480) == (3, 3, (1, 2))
    assert shape(300) is None


def test_rounds_never_outlast_the_full_training() -> None:
    plan = planned(1e6, epochs=5)
    assert plan is not None
    assert plan.rungs[-1] == 5
    single = planned(1e6, epochs=1, views=1)
    assert single is not None
    assert single.rungs == (1,)


def test_an_arm_with_views_of_its_own_pays_for_them() -> None:
    plain = Setting(costs=COSTS, controls=2, epochs=12, views=4)
    mixed = replace(plain, own_views=("kd",))
    more = smallest_budget(ARMS, mixed) - smallest_budget(ARMS, plain)
    assert more == 2 * COSTS.view_s  # rounds of 1 and 2 epochs see two
    assert smallest_budget(ARMS[1:], mixed) == smallest_budget(ARMS[1:], plain)


def test_an_arm_that_asks_in_the_loop_is_raced_where_the_others_lose_nothing_by_it() -> None:
    costs = replace(COSTS, online_s=50.0)
    setting = Setting(costs=costs, controls=2, epochs=4, views=4, online=ARMS[-1:])
    others = Setting(costs=costs, controls=2, epochs=4, views=4)
    # In rounds of 2 and 4 epochs it is taken to come through: 6 epochs more of 50 s, five seeds.
    dear = 5 * 6 * 50
    whole = plan_pilots(ARMS, setting, budget_s=1590 + dear)
    assert whole is not None
    assert (whole.arms, whole.seeds, whole.seconds) == (ARMS, 5, 1590 + dear)
    almost = plan_pilots(ARMS, setting, budget_s=1589 + dear)
    assert almost == plan_pilots(ARMS[:-1], others, budget_s=1589 + dear)
    assert almost is not None
    assert (almost.arms, almost.seeds) == (ARMS[:-1], 5)


@given(
    budget=st.floats(1, 1e5),
    epoch=st.floats(0.1, 100),
    view=st.floats(0, 100),
    epochs=st.integers(1, 50),
    arms=st.integers(1, 9),
)
def test_a_plan_stays_within_its_budget(
    budget: float, epoch: float, view: float, epochs: int, arms: int
) -> None:
    costs = Costs(pilot_s=1.0, epoch_s=epoch, view_s=view)
    names = [f"arm{n}" for n in range(arms)]
    setting = Setting(costs=costs, controls=2, epochs=epochs, views=3)
    plan = plan_pilots(names, setting, budget_s=budget)
    smallest = smallest_budget(names, setting)
    assert (plan is None) == (smallest > budget)
    if plan is not None:
        assert plan.seconds <= budget
