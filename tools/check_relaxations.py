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
# KiB and %. Two sizes are below the smallest network; some accuracies are hard to reach at all.
# Twelve, as some may be met after all.
UNITS = (
    (6, 85), (7, 95), (10, 96), (16, 97), (24, 98), (8, 94.5), (5, 80), (12, 96.5), (7, 97),
    (40, 98.5), (9, 95.5), (20, 97.5),
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
        for size, least in UNITS[given.first :][: given.units]:
            if _name(size, least) in there:
                continue
            line = _unit(project, Path(folder), size, least, given.minutes)
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


def _unit(project: Path, folder: Path, size: int, least: float, minutes: float) -> dict[str, Any]:
    unit, wanted = _name(size, least), (f"{size}KiB", f"{least}%")
    cache = folder / "cache"  # pilots and screens of one unit serve the next: they are the same
    first = _search(project, folder / unit, cache, wanted, minutes)
    facts = first.search
    assert facts is not None
    recipe = load_recipe(project / "recipe.yaml", overrides=_changes(*wanted, 1))
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
    """(size, accuracy) with one of them as relaxed, or none where it is said not to help."""
    size, accuracy = by_id["size"], by_id["accuracy"]
    if relaxation.budget == "size":
        changed = with_limit(size, relaxation.enough) if relaxation.enough else None
        return (str(changed.max) if changed else "8MiB"), _share(accuracy)
    changed = with_limit(accuracy, relaxation.enough) if relaxation.enough else None
    return str(size.max), (_share(changed) if changed else "1%")


def _share(budget: Budget) -> str:
    return str(budget.model_dump(mode="json")["min"])


def _name(size: int, least: float) -> str:
    return f"{size}KiB-{least}%"


def _search(
    project: Path, out: Path, cache: Path, limits: tuple[str, str], minutes: float
) -> Report:
    changes = _changes(*limits, minutes)
    return run(project / "recipe.yaml", out=out, cache=cache, overrides=changes).report


def _changes(size: str, least: str, minutes: float) -> tuple[str, ...]:
    budgets = (
        f"{{id: size, metric: file_bytes, max: {size}}}, "
        f"{{id: accuracy, metric: accuracy, min: {least}}}"
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
