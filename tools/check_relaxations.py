"""Are relaxations right? Ten infeasible budgets, each followed up by a search with the relaxed one.

    python tools/check_relaxations.py            # units that are not there yet
    python tools/check_relaxations.py --results FILE --units 1 --minutes 1   # a trial

A unit is one pair of budgets that a search on a small part of Fashion-MNIST (small.py beside its
recipe, one family of networks) cannot meet. Every relaxation that it names is taken by a search
of its own, with the other budget as it was: it is
right where that run ends within its budgets. A relaxation that is said not to exist is taken for
right where the limit, raised a thousandfold, still doesn't do. One line per unit in
docs/results/relaxations.jsonl with the CPU model; a unit that is present is skipped.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.environment import machine_fingerprint
from compress.pipeline.limits import with_limit
from compress.pipeline.run import run
from compress.recipe.load import load_recipe
from compress.recipe.nodes import Budget
from compress.values import Relaxation, Report, Verdict

ROOT = Path(__file__).resolve().parent.parent
RECIPE = ROOT / "examples" / "fashion" / "auto.yaml"
CACHE = Path(os.environ.get("DISTIL_CACHE") or ROOT / ".distil")
RESULTS = ROOT / "docs" / "results" / "relaxations.jsonl"
# KiB and pp. Some sizes are below the smallest network; some drops are out of reach at any size.
UNITS = (
    (120, 2), (40, 8), (24, 10), (18, 12), (32, 8), (20, 10), (12, 30), (16, 20), (20, 4), (60, 4),
)  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--results", type=Path, default=RESULTS)
    parser.add_argument("--units", type=int, default=len(UNITS))
    parser.add_argument("--minutes", type=float, default=3.0)
    given = parser.parse_args()
    there = _present(given.results)
    with tempfile.TemporaryDirectory() as folder:
        for size, drop in UNITS[: given.units]:
            if f"{size}KiB-{drop}pp" in there:
                continue
            line = _unit(Path(folder), size, drop, given.minutes)
            given.results.parent.mkdir(parents=True, exist_ok=True)
            with given.results.open("a", encoding="utf-8") as stream:
                stream.write(json.dumps(line) + "\n")
            print(json.dumps(line))
    print(_summary(given.results))


def _summary(results: Path) -> str:
    lines = results.read_text().splitlines() if results.is_file() else []
    judged = [json.loads(line)["right"] for line in lines if line]
    infeasible = [right for right in judged if right is not None]
    met = judged.count(None)
    return (
        f"{sum(infeasible)} of {len(infeasible)} infeasible pairs of budgets were relaxed rightly "
        f"(must: 9 of 10); {met} of {len(judged)} were met after all and count nowhere"
    )


def _unit(folder: Path, size: int, drop: int, minutes: float) -> dict[str, Any]:
    unit = f"{size}KiB-{drop}pp"
    first = _search(folder / unit, (f"{size}KiB", f"{drop}pp"), minutes)
    facts = first.search
    assert facts is not None
    recipe = load_recipe(RECIPE, overrides=_changes(f"{size}KiB", f"{drop}pp", 1))
    by_id = {budget.id: budget for budget in recipe.recipe.budgets}
    followed = []
    for relaxation in (one for one in facts.relaxations if one.tried):
        limits = _relaxed(by_id, relaxation)
        name = f"{unit}-{relaxation.budget}"
        report = _search(folder / name, limits, minutes)
        followed.append(_followed(relaxation, report.verdicts))
    return {
        "unit": unit,
        "minutes": minutes,
        "cpu": machine_fingerprint().get("cpu_model", ""),
        "feasible": _met(first.verdicts),
        "binding": facts.binding,
        "spent_s": facts.spent_s,
        "followed": followed,
        "right": _right(first.verdicts, followed),
    }


def _followed(relaxation: Relaxation, verdicts: Sequence[Verdict]) -> dict[str, Any]:
    """What came of a relaxation. verdicts: of the search that took it."""
    passed = _met(verdicts)
    return {
        "budget": relaxation.budget,
        "enough": relaxation.enough,
        "reason": relaxation.reason,
        "passed": passed,
        "right": passed == (relaxation.enough is not None),
        "verdicts": {v.budget: [v.status, v.observed] for v in verdicts},
    }


def _met(verdicts: Sequence[Verdict]) -> bool:
    return all(one.status == "pass" for one in verdicts)


def _right(verdicts: Sequence[Verdict], followed: Sequence[Mapping[str, Any]]) -> bool | None:
    """Of a pair: whether something was relaxed, and all that was rightly. None where the budgets
    were met after all, which says nothing. verdicts: of its own search."""
    if _met(verdicts):
        return None
    return bool(followed) and all(one["right"] for one in followed)


def _relaxed(by_id: dict[str, Budget], relaxation: Relaxation) -> tuple[str, str]:
    """(size, drop) with one of them as relaxed, or out of reach where it is said not to help."""
    size, drop = by_id["size"], by_id["accuracy"]
    if relaxation.budget == "size":
        changed = with_limit(size, relaxation.enough) if relaxation.enough else None
        return (str(changed.max) if changed else "8MiB"), _points(drop)
    changed = with_limit(drop, relaxation.enough) if relaxation.enough else None
    return str(size.max), (_points(changed) if changed else "99pp")


def _points(budget: Budget) -> str:
    return str(budget.model_dump(mode="json")["max_drop"])


def _search(out: Path, limits: tuple[str, str], minutes: float) -> Report:
    """Pilots and screens of one serve the next, and count with what they took."""
    return run(RECIPE, out=out, cache=CACHE, overrides=_changes(*limits, minutes)).report


def _changes(size: str, drop: str, minutes: float) -> tuple[str, ...]:
    budgets = (
        f"{{id: size, metric: file_bytes, max: {size}}}, "
        f"{{id: accuracy, metric: accuracy, vs: teacher, max_drop: {drop}}}"
    )
    return (
        'task={kind: python, target: "small.py:data", augment: {flip: true}}',
        "student={kind: auto, families: [residual]}",
        f"search={{time: {minutes}min}}",
        "decisions={precision: float32, quantize: int8}",
        "quantize={kind: static, samples: 128, max_drop: 100pp}",
        "distill.views=1",
        "distill.batch=64",
        "bench={batch: [1], epochs: 3}",
        "slices=none",
        f"budgets=[{budgets}]",
    )


def _present(results: Path) -> set[str]:
    if not results.is_file():
        return set()
    return {json.loads(line)["unit"] for line in results.read_text().splitlines() if line}


if __name__ == "__main__":
    main()
