"""What `distil inspect` prints: a file in a page, or the differences of two."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from compress.cli.streams import printable
from compress.report.quantities import count, percent, size
from exporters.inspect import Change, Inspection, ModelChanges
from exporters.values import TensorSpec

_LARGEST = 10
_NAME_WIDTH = 44


def describe_model(model: Inspection) -> str:
    """Facts, operators, bytes by type, largest tensors."""
    lines = [
        printable(f"{model.path}  (sha256 {model.digest[:12]}..)"),
        f"size        {size(model.size_bytes)}{_external(model)}",
        f"precision   {model.precision}",
        f"opset       {model.opset}, IR {model.ir_version}, by {printable(model.producer) or '?'}",
        f"parameters  {count(model.parameters)}",
        f"MACs        {'unknown' if model.macs is None else count(model.macs)} per sample",
        *(f"input       {_spec(spec)}" for spec in model.inputs),
        *(f"output      {_spec(spec)}" for spec in model.outputs),
        "",
        f"operators   {_counts(model.operators)}",
        f"bytes       {_bytes(model.tensor_bytes, model.overhead_bytes)}",
        "",
        "largest tensors",
    ]
    for tensor in model.largest(_LARGEST):
        shape = "x".join(str(dim) for dim in tensor.shape) or "scalar"
        share = percent(tensor.size_bytes / model.size_bytes if model.size_bytes else 0.0, 1)
        lines.append(
            f"  {_name(tensor.name)}  {size(tensor.size_bytes):>10}  {share:>7}  "
            f"{tensor.dtype} {shape}"
        )
    left = len(model.tensors) - _LARGEST
    if left > 0:
        lines.append(f"  and {count(left)} more")
    return "\n".join(lines)


def describe_changes(before: Inspection, after: Inspection, changes: ModelChanges) -> str:
    """What differs, what grew most first."""
    head = printable(f"{before.path} -> {after.path}")
    if before.digest == after.digest:
        return f"{head}\nthe same bytes"
    lines = [head, f"size        {_sizes(changes.size_bytes)}"]
    if before.precision != after.precision:
        lines.append(f"precision   {before.precision} -> {after.precision}")
    if changes.opset.difference:
        lines.append(f"opset       {before.opset} -> {after.opset}")
    lines.append(f"parameters  {_numbers(changes.parameters)}")
    if changes.macs is not None:
        lines.append(f"MACs        {_numbers(changes.macs)}")
    if changes.overhead_bytes.difference:
        lines.append(f"not tensors {_sizes(changes.overhead_bytes)}")
    lines += _section("operators", changes.operators, _numbers)
    lines += _section("bytes by type", changes.tensor_bytes, _sizes)
    lines += _section("tensors", changes.tensors, _sizes)
    if changes.is_empty:
        lines.append("the same by every count; the bytes differ")
    return "\n".join(lines)


def _section(
    title: str, changes: tuple[Change, ...], words: Callable[[Change], str]
) -> Iterable[str]:
    if not changes:
        return
    yield ""
    yield title
    for change in changes[:_LARGEST]:
        yield f"  {_name(change.name)}  {words(change)}"
    if len(changes) > _LARGEST:
        yield f"  and {count(len(changes) - _LARGEST)} more"


def _sizes(change: Change) -> str:
    sign = "+" if change.difference > 0 else "-" if change.difference < 0 else ""
    return f"{size(change.before)} -> {size(change.after)} ({sign}{size(abs(change.difference))})"


def _numbers(change: Change) -> str:
    return f"{count(change.before)} -> {count(change.after)} ({change.difference:+,})"


def _name(name: str) -> str:
    shown = printable(name) or "(a constant)"
    if len(shown) > _NAME_WIDTH:  # the end of a path tells more than its beginning
        shown = f"..{shown[-(_NAME_WIDTH - 2) :]}"
    return shown.ljust(_NAME_WIDTH)


def _spec(spec: TensorSpec) -> str:
    dims = ", ".join("?" if dim is None else str(dim) for dim in spec.shape)
    return printable(f"{spec.name}: {spec.dtype} ({dims})")


def _counts(counts: Mapping[str, int]) -> str:
    return printable(", ".join(f"{name} {number}" for name, number in counts.items())) or "none"


def _bytes(by_type: Mapping[str, int], overhead_bytes: int) -> str:
    parts = [f"{name} {size(number)}" for name, number in by_type.items()]
    return ", ".join([*parts, f"not tensors {size(overhead_bytes)}"])


def _external(model: Inspection) -> str:
    return f", {size(model.external_bytes)} of it beside the file" if model.external_bytes else ""
