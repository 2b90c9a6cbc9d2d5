"""What a search left in its run, as overrides of the recipe that held it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import yaml

from compress.pipeline.run import plan

_SEARCHED = ("student", "search")


def fixed(run: Path, given: Sequence[str]) -> list[str]:
    """The overrides of a search with what it found in place of what it searched."""
    found = yaml.safe_load((run / "found.yaml").read_text(encoding="utf-8"))
    made = [f"{key}={json.dumps(found[key])}" for key in ("student", "quantize")]
    made += [f"distill.{name}={json.dumps(value)}" for name, value in found["distill"].items()]
    searched = (*_SEARCHED, *(f"distill.{name}=" for name in found["distill"]))
    return made + [one for one in given if not one.startswith(searched)]


def assert_kept(
    recipe: Path, run: Path, given: Sequence[str], *, cache: Path, stages: set[str]
) -> None:
    """Without a search these stages of what was found are there, and with it all are."""
    steps = plan(recipe, cache=cache, overrides=fixed(run, given))
    assert {step.stage for step in steps if step.hit} >= stages
    steps = plan(recipe, cache=cache, overrides=given)
    assert all(step.hit for step in steps), [step.stage for step in steps if not step.hit]
