"""`distil gate waive` and `distil gate ratchet`: changes to a gate file, by explicit command."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from compress.cli.invocation import Invocation
from compress.cli.options import Debug, JsonFile, Quiet, Verbose
from compress.cli.streams import printable

GateOption = Annotated[
    Path, typer.Option("--file", metavar="GATE.yaml", help="The gate file that is changed.")
]
BudgetId = Annotated[str, typer.Argument(metavar="ID", help="The budget that is waived.")]
Until = Annotated[str, typer.Option("--until", metavar="DATE", help="Last day, as 2026-12-31.")]
Reason = Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why; it is printed.")]
UpTo = Annotated[
    str | None,
    typer.Option("--up-to", metavar="LIMIT", help="Accept only what keeps this wider limit."),
]
BudgetIds = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[ID ...]", help="Budgets; default those with `ratchet: true`, else all."
    ),
]


def waive(
    budget: BudgetId,
    until: Until,
    reason: Reason,
    up_to: UpTo = None,
    file: GateOption = Path("distil.gate.yaml"),
    json_file: JsonFile = None,
    quiet: Quiet = False,
    verbose: Verbose = False,
    debug: Debug = False,
) -> None:
    """Accept a violated budget until a day.

    Writes one line under `waivers:` of the gate file, which is to be reviewed and committed.
    """
    with Invocation(
        "gate waive", json_file=json_file, quiet=quiet, verbose=verbose, debug=debug
    ) as call:
        from datetime import date

        from compress.errors import InputError
        from compress.gate.amend import add_waiver
        from compress.gate.gate_file import load_gate
        from compress.recipe.catalogue import LIMITS

        try:
            day = date.fromisoformat(until)
        except ValueError:
            what, cure = f"{until[:40]!r} is no date", "write it as 2026-12-31"
            raise InputError(what, where="--until", cure=cure) from None
        limit = {}
        if up_to is not None:
            known = {found.id: found for found in load_gate(file).budgets}
            if budget in known:
                name = next(n for n in LIMITS if getattr(known[budget], n) is not None)
                limit = {name: up_to}
        line = add_waiver(file, budget, until=day, reason=reason, today=date.today(), limit=limit)
        call.result = {"file": file, "waiver": line}
        call.say(printable(f"{file}: {line}"))


def ratchet(
    budgets: BudgetIds = None,
    file: GateOption = Path("distil.gate.yaml"),
    json_file: JsonFile = None,
    quiet: Quiet = False,
    verbose: Verbose = False,
    debug: Debug = False,
) -> None:
    """Tighten limits to what was measured.

    Only limits on numbers without noise (file_bytes, params, macs), and only downwards. Without
    names: the budgets that say `ratchet: true`, and all where none does.
    """
    with Invocation(
        "gate ratchet", json_file=json_file, quiet=quiet, verbose=verbose, debug=debug
    ) as call:
        from datetime import date

        from compress.cli.gate import load
        from compress.errors import InputError
        from compress.gate.amend import ratchet_limits, tighten
        from compress.gate.gate_file import load_gate
        from compress.gate.result import exact_values, run_parts
        from compress.recipe.suggest import suggestion
        from compress.report.baseline_file import find_baseline

        gate = load_gate(file)
        known = {budget.id: budget for budget in gate.budgets}
        for name in budgets or ():
            if name not in known:
                cure = suggestion(name, known)
                raise InputError(f"no budget {name[:64]!r}", where=str(file), cure=cure)
        parts = run_parts(gate, load_report=load, today=date.today(), find_baseline=find_baseline)
        values = {
            name: value
            for part, result in parts
            for name, value in exact_values(part, result.reports).items()
        }
        limits = ratchet_limits(gate, values, budgets or ())
        call.result = {"file": file, "limits": {k: text for k, (_, text) in limits.items()}}
        if not limits:
            call.say("nothing to tighten: no limit on an exact number has room")
            return
        tighten(file, limits)
        for name, (field, text) in limits.items():
            call.say(printable(f"{file}: {name}: {field}: {text}"))
