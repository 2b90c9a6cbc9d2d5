"""Are relaxations right? Ten infeasible budgets, each followed up by a search with the relaxed one.

    python tools/check_relaxations.py            # units that are not there yet
    python tools/check_relaxations.py --results FILE --units 1 --minutes 1   # a trial

A unit is one pair of budgets that a search on faint shapes (of the tests' project `shapes`) can't
meet. Every relaxation that it names is taken by a search of its own, with the other budget as it
was: it is right where that run ends within its budgets. A relaxation that is said not to exist is
taken for right where the limit, raised a thousandfold, still doesn't do. One line per unit in
docs/results/relaxations.jsonl with the CPU model; a unit that is present is skipped.
"""

from __future__ import annotations

import argparse
import json
import shutil
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
PROJECT = ROOT / "tests" / "projects" / "shapes"
RESULTS = ROOT / "docs" / "results" / "relaxations.jsonl"
# KiB and pp. Two sizes are below the smallest network; some drops are hard to reach at any size.
# Twelve, as some may be met after all.
UNITS = (
    (6, 10), (7, 1), (8, 0.5), (10, 0.2), (5, 4), (7, 2), (12, 0.2), (10, 0.5), (8, 1), (16, 0.1),
    (7, 0.3), (24, 0.1),
)  # fmt: skip
TASK = 'task={kind: python, target: "project.py:faint"}'
TEACHER = (TASK, 'student={kind: python, target: "project.py:deep"}', "distill.epochs=10")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--results", type=Path, default=RESULTS)
    parser.add_argument("--units", type=int, default=len(UNITS))
    parser.add_argument("--first", type=int, default=0, help="the unit to begin with")
    parser.add_argument("--minutes", type=float, default=3.0)
    given = parser.parse_args()
    there = _present(given.results)
    with tempfile.TemporaryDirectory() as folder:
        project = Path(folder) / "project"
        shutil.copytree(PROJECT, project, ignore=shutil.ignore_patterns("__pycache__"))
        made = run(
            project / "teacher.yaml",
            out=Path(folder) / "teacher",
            cache=Path(folder) / "teacher-cache",
            overrides=TEACHER,
        )
        shutil.copyfile(made.folder / "student.safetensors", project / "teacher.safetensors")
        for size, drop in UNITS[given.first :][: given.units]:
            if f"{size}KiB-{drop}pp" in there:
                continue
            line = _unit(project, Path(folder), size, drop, given.minutes)
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


def _unit(project: Path, folder: Path, size: int, drop: int, minutes: float) -> dict[str, Any]:
    unit = f"{size}KiB-{drop}pp"
    cache = folder / "cache"  # pilots and screens of one unit serve the next: they are the same
    first = _search(project, folder / unit, cache, (f"{size}KiB", f"{drop}pp"), minutes)
    facts = first.search
    assert facts is not None
    recipe = load_recipe(project / "recipe.yaml", overrides=_changes(f"{size}KiB", f"{drop}pp", 1))
    by_id = {budget.id: budget for budget in recipe.recipe.budgets}
    followed = []
    for relaxation in (one for one in facts.relaxations if one.tried):
        limits = _relaxed(by_id, relaxation)
        name = f"{unit}-{relaxation.budget}"
        report = _search(project, folder / name, cache, limits, minutes)
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


def _search(
    project: Path, out: Path, cache: Path, limits: tuple[str, str], minutes: float
) -> Report:
    changes = _changes(*limits, minutes)
    return run(project / "recipe.yaml", out=out, cache=cache, overrides=changes).report


def _changes(size: str, drop: str, minutes: float) -> tuple[str, ...]:
    budgets = (
        f"{{id: size, metric: file_bytes, max: {size}}}, "
        f"{{id: accuracy, metric: accuracy, vs: teacher, max_drop: {drop}}}"
    )
    return (
        TASK,
        'teacher.target="project.py:deep"',
        "student={kind: auto}",
        f"search={{time: {minutes}min}}",
        "decisions={precision: float32}",
        "distill.epochs=20",
        "distill.views=1",
        "slices=none",
        f"budgets=[{budgets}]",
    )


def _present(results: Path) -> set[str]:
    if not results.is_file():
        return set()
    return {json.loads(line)["unit"] for line in results.read_text().splitlines() if line}


if __name__ == "__main__":
    main()
