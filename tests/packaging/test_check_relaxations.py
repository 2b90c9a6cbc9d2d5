"""What the check of relaxations counts as right, without a search."""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path
from types import ModuleType

import pytest

from compress.recipe.nodes import Budget
from compress.values import Relaxation, Status, Verdict

TOOL = Path(__file__).parents[2] / "tools" / "check_relaxations.py"


def loaded() -> ModuleType:
    spec = importlib.util.spec_from_file_location("tools_check_relaxations", TOOL)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


check = loaded()
BUDGETS = {
    one.id: one
    for one in (
        Budget.model_validate({"id": "size", "metric": "file_bytes", "max": "8KiB"}),
        Budget.model_validate({"id": "accuracy", "metric": "accuracy", "min": "95%"}),
    )
}


def relaxation(budget: str, enough: str | None) -> Relaxation:
    return Relaxation(
        budget=budget, limit="as it was", enough=enough, candidate=None, reason="by pilots"
    )


def verdicts(*statuses: Status) -> list[Verdict]:
    return [
        Verdict(
            budget=budget, metric="accuracy", status=status, observed="0.9", limit="", margin="",
            level="error", reason="",
        )
        for budget, status in zip(("size", "accuracy"), statuses, strict=True)
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("budget", "enough", "taken"),
    [
        ("size", "max: 24KiB", ("24KiB", "95%")),
        ("size", None, ("8MiB", "95%")),  # a thousand times as large does not do
        ("accuracy", "min: 92.5%", ("8KiB", "92.5%")),
        ("accuracy", None, ("8KiB", "1%")),
    ],
)
def test_one_limit_is_taken_as_relaxed_and_the_other_as_it_was(
    budget: str, enough: str | None, taken: tuple[str, str]
) -> None:
    assert check._relaxed(BUDGETS, relaxation(budget, enough)) == taken


@pytest.mark.parametrize(
    ("enough", "status", "right"),
    [
        ("max: 24KiB", "pass", True),
        ("max: 24KiB", "violated", False),
        ("max: 24KiB", "inconclusive", False),
        (None, "pass", False),  # it was said not to help
        (None, "violated", True),
    ],
)
def test_a_relaxation_is_right_where_the_run_that_takes_it_ends_as_it_says(
    enough: str | None, status: Status, right: bool
) -> None:
    found = check._followed(relaxation("size", enough), verdicts(status, "pass"))
    assert found["right"] is right
    assert found["passed"] is (status == "pass")
    assert found["verdicts"]["size"] == [status, "0.9"]


def test_a_pair_is_right_where_all_that_was_told_is_and_something_was() -> None:
    missed, met = verdicts("pass", "violated"), verdicts("pass", "pass")
    good, bad = {"right": True}, {"right": False}
    assert check._right(missed, [good, good]) is True
    assert check._right(missed, [good, bad]) is False
    assert check._right(missed, []) is False
    assert check._right(met, [good]) is None


def test_pairs_that_were_met_after_all_count_nowhere(tmp_path: Path) -> None:
    results = tmp_path / "relaxations.jsonl"
    assert check._summary(results).startswith("0 of 0 ")
    judged = [True, True, None, False, True]
    lines = [{"unit": f"{n}KiB-1pp", "right": right} for n, right in enumerate(judged)]
    results.write_text("".join(json.dumps(line) + "\n" for line in lines))
    said = check._summary(results)
    assert said.startswith("3 of 4 infeasible pairs of budgets were relaxed rightly")
    assert "1 of 5 were met after all" in said
    assert check._present(results) == {f"{n}KiB-1pp" for n in range(5)}


def test_the_pairs_are_ten_and_two_more_that_differ() -> None:
    assert len(set(check.UNITS)) == 12
