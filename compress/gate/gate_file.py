"""distil.gate.yaml: which evidence is judged, by which budgets, with which waivers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import Field

from compress.errors import InputError
from compress.gate.waivers import Waiver
from compress.recipe.catalogue import LIMITS, check_budget
from compress.recipe.checks import Problem, check_budgets
from compress.recipe.document import Document, read_document
from compress.recipe.nodes import Budget, Node
from compress.recipe.suggest import suggestion
from compress.recipe.units import Text
from compress.recipe.validate import place, validate

DEFAULT_NAME = "distil.gate.yaml"


class GateFile(Node):
    """The file as it is written. from: run folders or report.json files, relative to it."""

    schema_: Literal[1] = Field(alias="schema")
    from_: tuple[Text, ...] = Field(alias="from", min_length=1)
    budgets: tuple[Budget, ...] = ()
    waivers: tuple[Waiver, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadedGate:
    """A checked gate file. sources: absolute paths; lines: budget id -> its line in the file."""

    gate: GateFile
    path: Path
    sources: tuple[Path, ...]
    lines: Mapping[str, int]

    @property
    def budgets(self) -> tuple[Budget, ...]:
        return self.gate.budgets

    @property
    def waivers(self) -> tuple[Waiver, ...]:
        return self.gate.waivers


def load_gate(path: str | Path = DEFAULT_NAME) -> LoadedGate:
    """Read and check a gate file (YAML, or TOML by its ending).

    Raises InputError where it can't be read or gates nothing, RecipeError with file:line:column
    where it says something wrong.
    """
    source = Path(path)
    document = read_document(source)
    gate = validate(GateFile, document)
    check_budgets(gate.budgets, document)
    for where, what, cure in _waiver_problems(gate):
        raise place(document, where, what, cure=cure)
    if all(budget.level == "off" for budget in gate.budgets):
        what = "every budget is `level: off`" if gate.budgets else "there are no budgets"
        raise InputError(
            f"nothing is gated: {what}",
            where=document.where(("budgets",)),
            cure="write one under `budgets:`, such as {id: size, metric: file_bytes, max: 12MiB}",
        )
    folder = source.absolute().parent
    return LoadedGate(
        gate=gate,
        path=source,
        sources=tuple(folder / name for name in gate.from_),
        lines=_lines(gate, document),
    )


def _lines(gate: GateFile, document: Document) -> dict[str, int]:
    found = {}
    for index, budget in enumerate(gate.budgets):
        line, _ = document.places.get(("budgets", index, "id"), (1, 1))
        found[budget.id] = line
    return found


def _waiver_problems(gate: GateFile) -> Iterator[Problem]:
    budgets = {budget.id: budget for budget in gate.budgets}
    counts = Counter(waiver.budget for waiver in gate.waivers)
    for index, waiver in enumerate(gate.waivers):
        at = ("waivers", index)
        budget = budgets.get(waiver.budget)
        if budget is None:
            what = f"no budget {waiver.budget[:64]!r}"
            yield (*at, "budget"), what, suggestion(waiver.budget, budgets)
            continue
        if counts[waiver.budget] > 1:
            yield (*at, "budget"), f"{waiver.budget!r} is waived twice", "keep one of them"
        own = next(name for name in LIMITS if getattr(budget, name) is not None)
        other = [name for name in waiver.limits() if name != own]
        if other:
            yield (*at, other[0]), f"the budget {budget.id!r} limits {own}", f"write `{own}`"
            continue
        problem = check_budget(waiver.relaxed(budget))
        if problem is not None:
            yield (*at, problem.field), problem.what, problem.cure
