"""What `distil advise` says at its end can be copied into a recipe."""

from __future__ import annotations

from dataclasses import replace

import pytest
import yaml

from compress.cli.advise import recipe_line
from compress.recipe.nodes import Distill
from compress.search.candidates import Facts, candidates

FACTS = Facts(given="logits", classes=10, gap=3.0, labelled=0.1, layers=("stages.1", "layer4"))
OFFERED = [
    (name, arm)
    for facts in (FACTS, replace(FACTS, classes=3), replace(FACTS, given="hard labels"))
    for name, arm in {**candidates(facts).arms, **candidates(facts).controls}.items()
]


@pytest.mark.parametrize(("name", "arm"), OFFERED, ids=[name for name, _ in OFFERED])
def test_the_line_of_every_method_is_a_recipe_of_it(name: str, arm: object) -> None:
    from compress.search.candidates import Arm

    assert isinstance(arm, Arm)
    line = recipe_line(arm.loss.model_dump(mode="json"), arm.mixup)
    assert "\n" not in line
    node = Distill.model_validate(yaml.safe_load(line)["distill"])
    assert (node.loss, node.mixup) == (arm.loss, arm.mixup)


def test_defaults_are_left_out() -> None:
    kd = candidates(FACTS).arms["kd"]
    assert recipe_line(kd.loss.model_dump(mode="json"), None) == "distill: {loss: {kind: kd}}"
