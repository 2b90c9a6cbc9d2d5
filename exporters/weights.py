"""Weights as safetensors: loaded without running anything, saved whole or not at all."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from exporters.atomic import write_bytes
from exporters.errors import InputError
from exporters.weights_file import check_weights_file

if TYPE_CHECKING:
    from torch import Tensor, nn

_SHOWN = 3


def load_weights(path: str | os.PathLike[str]) -> dict[str, Tensor]:
    """The tensors of a safetensors file, by name, on the CPU.

    Raises InputError when it is missing, truncated or something else; a pickle is never opened,
    and the message names `distil convert`.
    """
    data = check_weights_file(Path(path))
    from safetensors import SafetensorError
    from safetensors.torch import load

    try:
        return dict(load(data))
    except (SafetensorError, ValueError, KeyError, TypeError) as exc:
        what = f"is no valid safetensors file: {exc}"
        raise InputError(what, where=os.fsdecode(path), cure="copy or convert it again") from exc


def save_weights(path: str | os.PathLike[str], tensors: Mapping[str, Tensor]) -> None:
    """Write tensors atomically; equal tensors give equal bytes, in whatever order they come.

    Views and shared tensors are written out in full: safetensors has no sharing, and load_into
    restores it, since a module's tied parameters are one. Raises as atomic_path does.
    """
    write_bytes(path, save_bytes(tensors))


def save_bytes(tensors: Mapping[str, Tensor]) -> bytes:
    """What save_weights writes."""
    from safetensors.torch import save

    return _ordered(save({name: _apart(tensors[name]) for name in sorted(tensors)}))


def load_into(module: nn.Module, tensors: Mapping[str, Tensor], *, where: str = "weights") -> None:
    """Copy tensors into the module's parameters and buffers; both must have the same names.

    Raises InputError with the first three names and the count of those that are missing,
    unexpected, or of another shape; the module is then unchanged.
    """
    own = module.state_dict()
    missing = [name for name in own if name not in tensors]
    unexpected = [name for name in tensors if name not in own]
    shapes = [
        f"{name} {tuple(tensors[name].shape)} for {tuple(own[name].shape)}"
        for name in own
        if name in tensors and own[name].shape != tensors[name].shape
    ]
    problems = [
        _listed(kind, names)
        for kind, names in (
            ("missing", missing),
            ("unexpected", unexpected),
            ("of another shape:", shapes),
        )
        if names
    ]
    if problems:
        what = f"don't fit {type(module).__name__}: {'; '.join(problems)}"
        cure = "check that the weights belong to this network and its settings"
        raise InputError(what, where=where, cure=cure)
    module.load_state_dict(dict(tensors), strict=True)


def _listed(kind: str, names: list[str]) -> str:
    shown = ", ".join(names[:_SHOWN])
    more = f", and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return f"{len(names)} {kind} ({shown}{more})"


def _apart(tensor: Tensor) -> Tensor:
    """A dense copy on the CPU that shares its memory with nothing."""
    import torch

    return tensor.detach().to("cpu").clone(memory_format=torch.contiguous_format)


def _ordered(data: bytes) -> bytes:
    """The same file with the names of its header sorted: the library walks a hash map.

    The header is padded with spaces to a multiple of 8 bytes, as the format's own writer does:
    https://github.com/huggingface/safetensors#format.
    """
    length = int.from_bytes(data[:8], "little")
    header: dict[str, Any] = json.loads(data[8 : 8 + length])
    text = json.dumps(dict(sorted(header.items())), separators=(",", ":"), ensure_ascii=False)
    raw = text.encode("utf-8")
    raw += b" " * (-len(raw) % 8)
    return len(raw).to_bytes(8, "little") + raw + data[8 + length :]


def convert_weights(source: str | os.PathLike[str], target: str | os.PathLike[str]) -> str:
    """A pickled state dict as safetensors; says which part of the file was taken.

    The pickle is read by a child process, with weights_only: tensors and plain containers alone.
    A dict with a state dict under `state_dict` or `model` is taken for that. Raises InputError for
    anything else in it, by name, and DistilError when the child dies.
    """
    from exporters.weights_child import run_child

    return run_child(Path(source), Path(target))
