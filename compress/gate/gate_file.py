"""distil.gate.yaml: which evidence is judged, by which budgets, with which waivers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from pydantic import Field

from compress.errors import InputError
from compress.gate.sources import BaselineNode, BenchmarkSource, Feeds, SourceNode, TeacherFile
from compress.gate.waivers import Waiver
from compress.recipe.budget_checks import Problem, check_budgets
from compress.recipe.budget_node import Budget
from compress.recipe.catalogue import LIMITS, check_budget
from compress.recipe.document import Document, read_document
from compress.recipe.node import Node
from compress.recipe.suggest import suggestion
from compress.recipe.units import Text
from compress.recipe.validate import place, validate

DEFAULT_NAME = "distil.gate.yaml"
PINNED_STORE = "distil.pinned.json"


class GateFile(Node):
    """The file as it is written; paths are relative to it.

    from: run folders, report.json files, files of pytest-benchmark. candidate: the model that is
    judged; what was measured of another file does not count. pinned: a second baseline, of a
    release that stays: many small steps past the first one add up against it. max_age: days, of any
    evidence.
    """

    schema_: Literal[1] = Field(alias="schema")
    from_: tuple[SourceNode, ...] = Field(alias="from", default=())
    candidate: Text | None = None
    teacher: TeacherFile | None = None
    baseline: BaselineNode | None = None
    pinned: BaselineNode | None = None
    feeds: Feeds | None = None
    max_age: str | None = Field(default=None, pattern=r"^[1-9][0-9]{0,4}d$")
    budgets: tuple[Budget, ...] = ()
    waivers: tuple[Waiver, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadedGate:
    """A checked gate file. lines: budget id -> its line in the file."""

    gate: GateFile
    path: Path
    lines: Mapping[str, int]
    pinned: bool = False  # the part that holds the budgets against the pinned baseline

    @property
    def folder(self) -> Path:
        """What its paths are relative to."""
        return self.path.absolute().parent

    @property
    def sources(self) -> tuple[Path, ...]:
        """Runs and reports that are named."""
        return tuple(self.folder / name for name in self.gate.from_ if isinstance(name, str))

    @property
    def benchmarks(self) -> tuple[BenchmarkSource, ...]:
        return tuple(node for node in self.gate.from_ if isinstance(node, BenchmarkSource))

    @property
    def baseline(self) -> BaselineNode | None:
        """Where the baseline lies; None where no budget speaks of it."""
        speaks = any(b.vs == "baseline" and b.level != "off" for b in self.gate.budgets)
        return self.gate.baseline or (BaselineNode() if speaks else None)

    @property
    def candidate(self) -> Path | None:
        return self._path(self.gate.candidate)

    @property
    def teacher(self) -> Path | None:
        return self._path(self.gate.teacher.onnx if self.gate.teacher else None)

    @property
    def measured(self) -> Path:
        """The folder where `--measure` keeps what it found."""
        name = f"{self.path.stem}.pinned" if self.pinned else self.path.stem
        return self.folder / ".distil" / "gate" / name

    def parts(self) -> tuple[LoadedGate, ...]:
        """One gate per baseline: with a pinned one, a second whose `baseline` that is.

        A report holds one baseline, and so each part has its own budgets, measurements and state.
        """
        apart = [b for b in self.gate.budgets if b.vs == "pinned"]
        if not apart:
            return (self,)
        ids = {budget.id for budget in apart}
        kept = {
            "budgets": tuple(b for b in self.gate.budgets if b.id not in ids),
            "waivers": tuple(w for w in self.gate.waivers if w.budget not in ids),
        }
        second = {
            "budgets": tuple(b.model_copy(update={"vs": "baseline"}) for b in apart),
            "waivers": tuple(w for w in self.gate.waivers if w.budget in ids),
            "baseline": self.gate.pinned,
            # What pytest-benchmark timed as the baseline is the other one.
            "from_": tuple(
                node if isinstance(node, str) else node.model_copy(update={"baseline": None})
                for node in self.gate.from_
            ),
        }
        parts = (
            replace(self, gate=self.gate.model_copy(update=kept)),
            replace(self, gate=self.gate.model_copy(update=second), pinned=True),
        )
        return tuple(part for part in parts if part.gate.budgets)

    def with_candidate(self, candidate: Path) -> LoadedGate:
        """The same budgets on another file."""
        gate = self.gate.model_copy(update={"candidate": str(candidate.absolute())})
        return replace(self, gate=gate)

    def with_baseline(self) -> LoadedGate:
        """The same file with the default baseline, where it names none."""
        node = self.gate.baseline or BaselineNode()
        return replace(self, gate=self.gate.model_copy(update={"baseline": node}))

    def with_pinned(self) -> LoadedGate:
        """The same file, its pinned baseline in the place of the other."""
        node = self.gate.pinned or BaselineNode(store=PINNED_STORE)
        return replace(self, gate=self.gate.model_copy(update={"baseline": node}), pinned=True)

    def with_baseline_ref(self, ref: str) -> LoadedGate:
        """The same budgets against the baseline of another commit."""
        node = (self.gate.baseline or BaselineNode()).model_copy(update={"ref": ref})
        return replace(self, gate=self.gate.model_copy(update={"baseline": node}))

    def _path(self, name: str | None) -> Path | None:
        return None if name is None else self.folder / name

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
    for where, what, cure in (*_source_problems(gate), *_waiver_problems(gate)):
        raise place(document, where, what, cure=cure)
    if all(budget.level == "off" for budget in gate.budgets):
        what = "every budget is `level: off`" if gate.budgets else "there are no budgets"
        raise InputError(
            f"nothing is gated: {what}",
            where=document.where(("budgets",)),
            cure="write one under `budgets:`, such as {id: size, metric: file_bytes, max: 12MiB}",
        )
    return LoadedGate(gate=gate, path=source, lines=_lines(gate, document))


def _lines(gate: GateFile, document: Document) -> dict[str, int]:
    found = {}
    for index, budget in enumerate(gate.budgets):
        line, _ = document.places.get(("budgets", index, "id"), (1, 1))
        found[budget.id] = line
    return found


def _source_problems(gate: GateFile) -> Iterator[Problem]:
    if not gate.from_ and gate.candidate is None:
        cure = "name runs to judge, or write `candidate: student.onnx`"
        yield ("from",), "is missing", cure
    speaks = [i for i, budget in enumerate(gate.budgets) if budget.vs == "pinned"]
    if speaks and gate.pinned is None:
        cure = "write `pinned: {store: distil.pinned.json}`, or `vs: baseline`"
        yield ("budgets", speaks[0], "vs"), "speaks of no pinned baseline", cure
    first = gate.baseline or BaselineNode()
    if gate.pinned is not None and (gate.pinned.store, gate.pinned.ref) == (first.store, first.ref):
        cure = "write `store: distil.pinned.json`, or another `ref`"
        yield ("pinned",), "is the file that `baseline` is", cure
    if gate.feeds is not None and gate.candidate is None:
        yield ("feeds",), "is there without `candidate`", "write `candidate: student.onnx`"
    if gate.feeds is not None and gate.feeds.task and gate.feeds.predictions:
        yield ("feeds", "predictions"), "stands beside `task`", "write one of them"
    if gate.feeds is not None and gate.feeds.inputs and gate.feeds.shapes:
        yield ("feeds", "shapes"), "stands beside `inputs`", "write one of them"


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
