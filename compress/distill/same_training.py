"""What the checkpoints of a folder are of: a training goes on from its own and from no other's."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn

from compress.distill.checkpoint import newest_first
from compress.errors import InputError
from exporters.atomic import write_json

NOTE = "training.json"


def hold_to(folder: Path, about: Mapping[str, Any], *, writes: bool) -> None:
    """Note what decides the result, before the first checkpoint. about: JSON by name.

    writes: whether this process leaves the note. Raises InputError where the folder holds
    checkpoints of another training.
    """
    wanted: dict[str, Any] = json.loads(json.dumps(about, default=_plain))
    path = folder / NOTE
    if not newest_first(folder):
        if writes:
            write_json(path, wanted)
        return
    held = json.loads(path.read_text()) if path.exists() else {}
    unlike = [name for name, value in wanted.items() if name not in held or held[name] != value]
    if unlike:
        raise InputError(
            f"the checkpoints in {folder} are of another training: {', '.join(unlike)} "
            f"{'is' if len(unlike) == 1 else 'are'} not what they were made with",
            where="distill(checkpoints=...)",
            cure="name another folder, or empty this one",
        )


def _plain(value: Any) -> Any:
    """A number of numpy as one of Python."""
    return value.item() if hasattr(value, "item") else str(value)


def weights_digest(network: nn.Module) -> str:
    """SHA-256 over the names and bits of parameters and buffers."""
    digest = hashlib.sha256()
    for name, tensor in network.state_dict().items():
        plain = tensor.detach().cpu().contiguous()
        digest.update(f"{name} {plain.dtype} {tuple(plain.shape)}".encode())
        digest.update(plain.flatten().view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def shapes_digest(network: nn.Module) -> str:
    """SHA-256 over the names and shapes alone: a new start may draw other first weights."""
    shapes = {name: list(tensor.shape) for name, tensor in network.state_dict().items()}
    return hashlib.sha256(json.dumps(shapes).encode()).hexdigest()
