"""Checkpoints: tensors as safetensors, the rest as JSON, each file verified by its SHA-256.

Two are kept. A truncated or flipped file is passed over and the one before it is used, so a
kill at any moment costs at most one checkpoint interval. Never a pickle.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors
from torch import Tensor

from exporters.atomic import write_bytes

logger = logging.getLogger(__name__)

KEPT = 2
_DIGEST_CHARS = 64
States = Mapping[str, Mapping[str, Tensor]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """Where a training stands. step counts finished steps over all epochs."""

    step: int
    losses: tuple[float, ...]  # of the steps of the epoch under way
    epochs: tuple[dict[str, Any], ...]  # finished ones, as in values.Epoch
    resumed_from_steps: tuple[int, ...]


def save_checkpoint(
    folder: Path,
    progress: Progress,
    *,
    states: States,
    optimizer: torch.optim.Optimizer,
    scaler: Any = None,
) -> Path:
    """Write `step-N.ckpt`: SHA-256 in hexadecimal, then safetensors bytes. Drops older ones.

    states: state dicts by name (model, averaged, best). scaler: of float16, torch's GradScaler.
    """
    tensors, numbers = _optimizer_tensors(optimizer)
    for name, state in states.items():
        tensors |= {f"{name}.{key}": value for key, value in state.items()}
    about = {
        "step": progress.step,
        "losses": progress.losses,
        "epochs": progress.epochs,
        "resumed_from_steps": progress.resumed_from_steps,
        "optimizer": numbers,
        "scaler": None if scaler is None else scaler.state_dict(),
    }
    # Cloned where memory is shared (tied weights, averages of none): the format refuses it.
    body = save_tensors(
        {name: tensor.detach().cpu().contiguous().clone() for name, tensor in tensors.items()},
        metadata={"progress": json.dumps(about)},
    )
    path = folder / f"step-{progress.step:09d}.ckpt"
    write_bytes(path, hashlib.sha256(body).hexdigest().encode() + body)
    for old in newest_first(folder)[KEPT:]:
        old.unlink(missing_ok=True)
    return path


def load_checkpoint(
    folder: Path, *, optimizer: torch.optim.Optimizer, scaler: Any = None
) -> tuple[Progress, dict[str, dict[str, Tensor]]] | None:
    """The newest whole checkpoint: where it stands, and its state dicts by name; None without one.

    Optimiser and scaler are restored in place.
    """
    for path in newest_first(folder):
        body = _verified(path)
        if body is None:
            logger.warning("checkpoint %s is damaged; the one before it is used", path)
            continue
        about = json.loads(_metadata(body)["progress"])
        states: dict[str, dict[str, Tensor]] = {}
        for key, tensor in load_tensors(body).items():
            group, name = key.split(".", 1)
            states.setdefault(group, {})[name] = tensor
        _restore_optimizer(optimizer, about["optimizer"], states.pop("optimizer", {}))
        if scaler is not None and about["scaler"] is not None:
            scaler.load_state_dict(about["scaler"])
        progress = Progress(
            step=about["step"],
            losses=tuple(about["losses"]),
            epochs=tuple(about["epochs"]),
            resumed_from_steps=tuple(about["resumed_from_steps"]),
        )
        return progress, states
    return None


def newest_first(folder: Path) -> list[Path]:
    """The checkpoints of a folder, damaged ones too."""
    return sorted(folder.glob("step-*.ckpt"), reverse=True)


def _verified(path: Path) -> bytes | None:
    data = path.read_bytes()
    digest, body = data[:_DIGEST_CHARS], data[_DIGEST_CHARS:]
    return body if hashlib.sha256(body).hexdigest().encode() == digest else None


def _metadata(body: bytes) -> dict[str, str]:
    length = int.from_bytes(body[:8], "little")
    metadata: dict[str, str] = json.loads(body[8 : 8 + length])["__metadata__"]
    return metadata


def _optimizer_tensors(
    optimizer: torch.optim.Optimizer,
) -> tuple[dict[str, Tensor], dict[str, dict[str, float]]]:
    """Tensors by `optimizer.<parameter>.<name>`, numbers by parameter."""
    tensors: dict[str, Tensor] = {}
    numbers: dict[str, dict[str, float]] = {}
    for index, entry in optimizer.state_dict()["state"].items():
        numbers[str(index)] = {}
        for name, value in entry.items():
            if isinstance(value, Tensor):
                tensors[f"optimizer.{index}.{name}"] = value
            elif value is not None:
                numbers[str(index)][name] = value
    return tensors, numbers


def _restore_optimizer(
    optimizer: torch.optim.Optimizer,
    numbers: dict[str, dict[str, float]],
    tensors: dict[str, Tensor],
) -> None:
    state: dict[int, dict[str, Any]] = {int(i): dict(values) for i, values in numbers.items()}
    for name, tensor in tensors.items():
        index, key = name.split(".", 1)
        state.setdefault(int(index), {})[key] = tensor
    groups = optimizer.state_dict()["param_groups"]
    optimizer.load_state_dict({"state": state, "param_groups": groups})
    # Laid out as the weights are, since a fused step goes through both as they lie in memory.
    for parameter, values in optimizer.state.items():
        for name, value in values.items():
            if isinstance(value, Tensor) and value.shape == parameter.shape:
                values[name] = torch.empty_like(parameter, dtype=value.dtype).copy_(value)
