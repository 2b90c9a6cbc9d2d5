"""What a step draws (dropout) is a function of seed, step and process: no random state is kept."""

from __future__ import annotations

import hashlib

import torch


def seed_step(seed: int, step: int, process: int, *, device: torch.device) -> None:
    """Set torch's generators for one step: a resumed training draws what the unbroken one does, and
    each of several processes draws its own."""
    digest = hashlib.blake2b(f"{seed} {step} {process}".encode(), digest_size=8).digest()
    number = int.from_bytes(digest, "little") >> 1
    # torch.manual_seed asks every kind of device there might be, which costs more than the seeding.
    torch.default_generator.manual_seed(number)
    if device.type == "cuda":
        torch.cuda.manual_seed(number)
