"""Changes to a gate file that keep its comments and its form: a waiver added, a limit tightened."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

from compress.errors import InputError
from compress.gate.gate_file import LoadedGate, load_gate
from compress.recipe.document import Document, parse_yaml, read_document
from compress.recipe.suggest import suggestion
from exporters.atomic import write_text

# A scalar in a flow or block mapping: quoted, or up to what ends it.
_SCALAR = re.compile(r"""(\s*:\s*)("(?:[^"\\]|\\.)*"|'(?:[^']|'')*'|[^,}\]\n#]*[^,}\]\n#\s])""")
_PLAIN = re.compile(r"[A-Za-z0-9._-]+")


def add_waiver(
    path: Path,
    budget: str,
    *,
    until: date,
    reason: str,
    today: date,
    limit: Mapping[str, str] | None = None,
) -> str:
    """Write one waiver into a gate file; the line as written. limit: such as {"max": "12MiB"}.

    An earlier waiver of the same budget that has ended is replaced. Raises InputError: no such
    budget, a date that has passed, a waiver that still holds, a file that can't be edited.
    """
    gate, document = load_gate(path), read_document(path)
    known = [found.id for found in gate.budgets]
    if budget not in known:
        cure = suggestion(budget, known)
        raise InputError(f"no budget {budget[:64]!r}", where=str(path), cure=cure)
    if until < today:
        raise InputError(
            f"{until.isoformat()} has passed", where="--until", cure="name a later day"
        )
    earlier = [index for index, found in enumerate(gate.waivers) if found.budget == budget]
    for index in earlier:
        if gate.waivers[index].until >= today:
            what = f"{budget!r} is waived until {gate.waivers[index].until.isoformat()}"
            raise InputError(what, where=str(path), cure="change that waiver in the file")
    fields = {"budget": budget, "until": until.isoformat(), "reason": reason, **(limit or {})}
    line = "- {" + ", ".join(f"{key}: {_scalar(key, value)}" for key, value in fields.items()) + "}"
    value = copy.deepcopy(document.value)
    kept = [w for i, w in enumerate(value.get("waivers") or []) if i not in earlier]
    value["waivers"] = [*kept, dict(fields)]
    text = _without_items(document, "waivers", earlier)
    _write_checked(path, _appended(text, line), value, line)
    return line


def tighten(path: Path, limits: Mapping[str, tuple[str, str]]) -> None:
    """Write new limits: budget id -> (limit field, text with its unit). Raises InputError."""
    gate, document = load_gate(path), read_document(path)
    text, value = document.text, copy.deepcopy(document.value)
    at = {found.id: index for index, found in enumerate(gate.budgets)}
    # From the end, so that earlier places stay true.
    order = sorted(limits, key=lambda id_: at[id_], reverse=True)
    for budget in order:
        field, written = limits[budget]
        line, column = document.places["budgets", at[budget], field]
        text = _replaced(text, line, column + len(field), written, path)
        value["budgets"][at[budget]][field] = written
    _write_checked(path, text, value, ", ".join(f"{b}: {limits[b][1]}" for b in limits))


def _scalar(key: str, text: str) -> str:
    """Quoted where a plain word would read as something else; JSON is YAML."""
    return text if key != "reason" and _PLAIN.fullmatch(text) else json.dumps(text)


def _refuse_toml(path: Path, line: str) -> None:
    if path.suffix.lower() == ".toml":
        cure = f"write it by hand: {line}"
        raise InputError(
            "only YAML gate files are changed by a command", where=str(path), cure=cure
        )


def _appended(text: str, line: str) -> str:
    """The text with one more item at the end of `waivers:`."""
    lines = text.splitlines()
    start = next((i for i, row in enumerate(lines) if re.match(r"waivers\s*:", row)), None)
    if start is None:
        return "\n".join([*lines, "waivers:", f"  {line}"]) + "\n"
    if re.fullmatch(r"waivers\s*:\s*(\[\s*\]|null|~)?\s*(#.*)?", lines[start]):
        lines[start] = re.sub(r":\s*(\[\s*\]|null|~)", ":", lines[start], count=1)
    end = start + 1
    indent = "  "
    for row in range(start + 1, len(lines)):
        stripped = lines[row].lstrip()
        if stripped.startswith("-"):
            indent = lines[row][: len(lines[row]) - len(stripped)]
            end = row + 1
        elif lines[row][:1] in (" ", "\t") and stripped and not stripped.startswith("#"):
            end = row + 1
        elif stripped and not stripped.startswith("#"):
            break
    lines.insert(end, f"{indent}{line}")
    return "\n".join(lines) + "\n"


def _without_items(document: Document, key: str, indices: Sequence[int]) -> str:
    """The text without the lines of some items of a list that each stand on their own lines."""
    lines = document.text.splitlines(keepends=True)
    count = len(document.value.get(key) or [])
    for index in sorted(indices, reverse=True):
        first = document.places[key, index][0] - 1
        after = document.places.get((key, index + 1))
        last = after[0] - 1 if after and index + 1 < count else first + 1
        if not lines[first].lstrip().startswith("-"):
            continue  # written another way: the check after the edit says so
        del lines[first:last]
    return "".join(lines)


def _replaced(text: str, line: int, column: int, written: str, path: Path) -> str:
    """The text with the scalar that follows a key (its end is given) replaced."""
    lines = text.splitlines(keepends=True)
    row = lines[line - 1]
    match = _SCALAR.match(row, column - 1)
    if match is None:
        cure = f"write {written} there by hand"
        raise InputError("this value can't be replaced", where=f"{path}:{line}:{column}", cure=cure)
    lines[line - 1] = row[: match.start(2)] + written + row[match.end(2) :]
    return "".join(lines)


def _write_checked(path: Path, text: str, expected: Any, what: str) -> None:
    """Write only what reads back as the old file with this one change."""
    _refuse_toml(path, what)
    try:
        found, _ = parse_yaml(text, name=str(path))
    except InputError:
        found = None
    if _plain(found) != _plain(expected):
        cure = f"write it by hand: {what}"
        raise InputError(
            "is written in a form that can't be changed safely", where=str(path), cure=cure
        )
    write_text(path, text)


def _plain(value: Any) -> Any:
    return json.loads(json.dumps(value, default=str))


def ratchet_limits(
    gate: LoadedGate, observed: Mapping[str, float], only: Sequence[str] = ()
) -> dict[str, tuple[str, str]]:
    """New limits for budgets on exact numbers that have room left: id -> (field, text).

    observed: id -> the number in the limit's own unit. only: ids; where it is empty, those that
    say `ratchet: true`, and all where none does.
    """
    from compress.recipe.catalogue import METRICS, budget_limit
    from compress.recipe.units import format_ratio

    only = only or [budget.id for budget in gate.budgets if budget.ratchet]
    found: dict[str, tuple[str, str]] = {}
    for budget in gate.budgets:
        if budget.id not in observed or (only and budget.id not in only):
            continue
        limit, value = budget_limit(budget), observed[budget.id]
        if limit.field == "max" and value < limit.value:
            found[budget.id] = ("max", METRICS[budget.metric].write(value))
        elif limit.field == "max_ratio" and value < limit.value:
            # Rounded up to five digits, so that what was measured keeps it.
            found[budget.id] = ("max_ratio", format_ratio(_up(value)))
    return found


def _up(value: float) -> float:
    from decimal import ROUND_CEILING, Context, Decimal

    return float(Context(prec=5, rounding=ROUND_CEILING).create_decimal(Decimal(value)))
