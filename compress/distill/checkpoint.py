"""Checkpoints: tensors as safetensors, the rest as JSON, each file verified by its SHA-256.

Two are kept. A truncated or flipped file is passed over and the one before it is used, so a
kill at any moment costs at most one checkpoint interval. Never a pickle.
"""

from __future__ import annotations

import hashlib
import json
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors
from torch import Tensor, nn

from exporters.atomic import write_bytes

logger = logging.getLogger(__name__)

KEPT = 2
_DIGEST_CHARS = 64


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
    model: nn.Module,
    averaged: nn.Module | None,
    optimizer: torch.optim.Optimizer,
) -> Path:
    """Write `step-N.ckpt`: SHA-256 in hexadecimal, then safetensors bytes. Drops older ones."""
    tensors, state = _optimizer_tensors(optimizer)
    tensors |= {f"model.{k}": v for k, v in model.state_dict().items()}
    if averaged is not None:
        tensors |= {f"averaged.{k}": v for k, v in averaged.state_dict().items()}
    tensors["random.torch"] = torch.get_rng_state()
    about = {
        "step": progress.step,
        "losses": progress.losses,
        "epochs": progress.epochs,
        "resumed_from_steps": progress.resumed_from_steps,
        "optimizer": state,
    }
    body = save_tensors(
        {name: tensor.detach().contiguous() for name, tensor in tensors.items()},
        metadata={"progress": json.dumps(about)},
    )
    path = folder / f"step-{progress.step:09d}.ckpt"
    write_bytes(path, hashlib.sha256(body).hexdigest().encode() + body)
    for old in _newest_first(folder)[KEPT:]:
        old.unlink(missing_ok=True)
    return path


def load_checkpoint(
    folder: Path,
    *,
    model: nn.Module,
    averaged: nn.Module | None,
    optimizer: torch.optim.Optimizer,
) -> Progress | None:
    """Restore the newest whole checkpoint in place, random state included; None without one."""
    for path in _newest_first(folder):
        body = _verified(path)
        if body is None:
            logger.warning("checkpoint %s is damaged; the one before it is used", path)
            continue
        about = json.loads(_metadata(body)["progress"])
        tensors = load_tensors(body)
        model.load_state_dict(_with_prefix(tensors, "model."))
        if averaged is not None:
            averaged.load_state_dict(_with_prefix(tensors, "averaged."))
        _restore_optimizer(optimizer, about["optimizer"], _with_prefix(tensors, "optimizer."))
        torch.set_rng_state(tensors["random.torch"])
        return Progress(
            step=about["step"],
            losses=tuple(about["losses"]),
            epochs=tuple(about["epochs"]),
            resumed_from_steps=tuple(about["resumed_from_steps"]),
        )
    return None


def _newest_first(folder: Path) -> list[Path]:
    return sorted(folder.glob("step-*.ckpt"), reverse=True)


def _verified(path: Path) -> bytes | None:
    data = path.read_bytes()
    digest, body = data[:_DIGEST_CHARS], data[_DIGEST_CHARS:]
    return body if hashlib.sha256(body).hexdigest().encode() == digest else None


def _metadata(body: bytes) -> dict[str, str]:
    length = int.from_bytes(body[:8], "little")
    metadata: dict[str, str] = json.loads(body[8 : 8 + length])["__metadata__"]
    return metadata


def _with_prefix(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}


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
