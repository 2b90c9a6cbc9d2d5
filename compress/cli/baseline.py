"""`distil baseline`: the committed numbers of the last release, updated with a reason."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from compress.cli.gate import load
from compress.cli.invocation import Invocation
from compress.cli.options import Debug, JsonFile, Quiet, Verbose
from compress.cli.streams import printable

if TYPE_CHECKING:
    from compress.gate.gate_file import LoadedGate
    from compress.gate.sources import BaselineNode
    from compress.values import ModelFacts, Report

app = typer.Typer(no_args_is_help=False, help="Keep or compare the gate's committed baseline.")

Gate = Annotated[
    Path, typer.Argument(metavar="[GATE.yaml]", help="The gate file that names the baseline.")
]
Pinned = Annotated[
    bool,
    typer.Option("--pinned", help="The second baseline, which budgets `vs: pinned` speak of."),
]
Reason = Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why it changes; kept.")]


@app.command("update")
def update(
    reason: Reason,
    file: Gate = Path("distil.gate.yaml"),
    pinned: Pinned = False,
    json_file: JsonFile = None,
    quiet: Quiet = False,
    verbose: Verbose = False,
    debug: Debug = False,
) -> None:
    """Make the present candidate the baseline.

    Writes the store that the gate file names, and copies the model and its predictions beside it;
    all of them are to be committed.
    """
    with Invocation(
        "baseline update", json_file=json_file, quiet=quiet, verbose=verbose, debug=debug
    ) as call:
        from compress.gate.gate_file import load_gate

        gate = load_gate(file)
        node = gate.with_pinned().gate.baseline if pinned else gate.gate.baseline
        path = update_store(gate, node, reason=reason)
        call.result = {"store": path}
        call.say(printable(f"{path}: commit it, and the files that it names"))


@app.command("diff")
def diff(
    file: Gate = Path("distil.gate.yaml"),
    pinned: Pinned = False,
    json_file: JsonFile = None,
    quiet: Quiet = False,
    verbose: Verbose = False,
    debug: Debug = False,
) -> None:
    """Show what changed since the baseline.

    Bytes, tensors, operators, accuracy; exit 5 where there is no baseline.
    """
    with Invocation(
        "baseline diff", json_file=json_file, quiet=quiet, verbose=verbose, debug=debug
    ) as call:
        from compress.gate.baseline_diff import diff_lines
        from compress.gate.gate_file import load_gate
        from compress.report.baseline_file import find_baseline

        gate = load_gate(file)
        found = _current(gate)
        state = find_baseline(gate.with_pinned() if pinned else gate.with_baseline())
        lines = diff_lines(state, found.facts, found.report)
        call.result = {"lines": lines}
        call.say("\n".join(printable(line) for line in lines))


def update_store(gate: LoadedGate, named: BaselineNode | None, *, reason: str) -> Path:
    """Write a store with what is known of the present student; its path. named: which, default the
    one of a gate file that names none."""
    from datetime import UTC, datetime

    from compress.gate.sources import BaselineNode
    from compress.report.baseline_update import update_baseline

    node = named or BaselineNode()
    found = _current(gate)
    store = gate.folder / node.store
    update_baseline(
        store,
        copy=gate.folder / node.model if node.model else store.with_suffix(".onnx"),
        model=found.model,
        facts=found.facts,
        report=found.report,
        predictions=found.predictions,
        reason=reason,
        updated_at=datetime.now(UTC).isoformat(timespec="seconds"),
    )
    return store


@dataclass(frozen=True, slots=True, kw_only=True)
class _Current:
    """The present student: its file, and the newest report about it, if there is one."""

    model: Path
    facts: ModelFacts
    report: Report | None
    predictions: Path | None


def _current(gate: LoadedGate) -> _Current:
    from compress.errors import InputError
    from compress.gate.evidence import read_evidence
    from compress.gate.look import look_into
    from compress.gate.lookup import STUDENT

    collected = read_evidence(gate, load_report=load)
    path = gate.candidate
    if path is None:
        folders = [found.path for found in collected.evidence if found.path.is_dir()]
        path = folders[0] / "student.onnx" if folders else None
    if path is None:
        cure = "write `candidate: student.onnx` in the gate file"
        raise InputError("names no model file", where=str(gate.path), cure=cure)
    newest = max(collected.evidence, key=lambda e: e.report.created_at, default=None)
    beside = None
    if newest is not None:
        folder = newest.path if newest.path.is_dir() else newest.path.parent
        beside = folder / "predictions.npz"
    return _Current(
        model=path,
        facts=look_into(path, STUDENT),
        report=None if newest is None else newest.report,
        predictions=beside if beside is not None and beside.is_file() else None,
    )
