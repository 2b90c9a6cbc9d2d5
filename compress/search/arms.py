"""Which of the plans that keep to the limits are raced."""

from __future__ import annotations

import bisect
from collections.abc import Mapping, Sequence

from compress.search.ledger import Screened
from compress.search.screening import Screening, excess
from compress.search.space import Plan, Space
from compress.search.trainer import Trainer

MOST_ARMS = 6
LEARNT = 8  # epochs of the training in full: a wider network that gets fewer would learn less
SAME = 1.25  # times as long is about as long


def roomiest(fitting: Sequence[Plan], seen: Mapping[Plan, Screened]) -> list[Plan]:
    """Of each structure the scheme that leaves room for the largest network."""
    largest: dict[object, Plan] = {}
    for plan in fitting:
        rival = largest.get(plan.structure)
        if rival is None or seen[plan].macs > seen[rival].macs:
            largest[plan.structure] = plan
    return list(largest.values())


def affordable(space: Space, widest: Plan, trainer: Trainer, seconds: float) -> Plan:
    """The widest of a structure, no wider than this one, that is trained LEARNT epochs in so many
    seconds. Where none is, the widest whose epoch takes about as long as the narrowest's: then it
    is not the width that takes the time."""
    plans = narrower(space, widest)
    enough = max(seconds / LEARNT, SAME * trainer.epoch_s(plans[0]))
    measured = [plan for plan in plans if trainer.has_measured(plan)]
    others = [plan for plan in plans if not trainer.has_measured(plan)]
    # What is predicted rises with the width, and each prediction builds a network.
    within = bisect.bisect_right(others, enough, key=trainer.epoch_s)
    fitting = [plan for plan in measured if trainer.epoch_s(plan) <= enough]
    return max((*fitting, *others[:within]), key=lambda plan: plan.width, default=plans[0])


def keeping(space: Space, plans: Sequence[Plan], screening: Screening) -> list[Plan]:
    """Those that keep to the limits by their own measurement, or the widest below that does: a
    network need not be as fast as a wider one, nor one that was timed again."""
    screening.look_all(plans)
    over = {one for one in plans if excess(screening.seen[one], screening.limits) > 1}
    several = [narrower(space, one)[:-1] if one in over else [one] for one in plans]
    return [plan for plan in screening.widest_of_each(several) if plan is not None]


def narrower(space: Space, widest: Plan) -> list[Plan]:
    """All of a structure up to this one, from the narrowest."""
    plans = space.plans(widest.structure, widest.scheme)
    return [plan for plan in plans if plan.width <= widest.width]


def shortlist(plans: Sequence[Plan], seen: Mapping[Plan, Screened]) -> list[Plan]:
    """The largest networks first, each family's best among them; MOST_ARMS at most."""
    ranked = sorted(plans, key=lambda plan: -seen[plan].macs)
    heads: list[Plan] = []
    for plan in ranked:
        if plan.structure.family not in {head.structure.family for head in heads}:
            heads.append(plan)
    chosen = [*heads, *(plan for plan in ranked if plan not in heads)][:MOST_ARMS]
    return sorted(chosen, key=lambda plan: -seen[plan].macs)
