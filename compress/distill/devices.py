"""The device that a recipe asks for, or one line that says what is missing."""

from __future__ import annotations

from typing import Any, Literal

from compress.errors import RuntimeMissing

MIXED = {"float32": "no", "bfloat16": "bf16", "float16": "fp16"}


def check_device(device: Literal["cpu", "cuda"]) -> None:
    """Raises RuntimeMissing (exit 4) when CUDA is asked for and this machine has none."""
    if device == "cpu":
        return
    import torch

    if torch.version.cuda is None:
        raise RuntimeMissing(
            f"torch {torch.__version__} is built without CUDA",
            where="distill.device",
            cure="install a CUDA build of torch, or write `device: cpu`",
        )
    if not torch.cuda.is_available():
        raise RuntimeMissing(
            f"torch {torch.__version__} finds no CUDA device or driver",
            where="distill.device",
            cure="check `nvidia-smi`, or write `device: cpu`",
        )


def make_accelerator(device: Literal["cpu", "cuda"], *, precision: str) -> Any:
    """An Accelerator on that device. precision: float32, bfloat16, or on CUDA float16."""
    from accelerate import Accelerator
    from accelerate.state import AcceleratorState

    check_device(device)
    if device == "cpu" and precision == "float16":
        raise RuntimeMissing(
            "float16 trains on CUDA alone",
            where="distill.precision",
            cure="write `precision: bfloat16` or `auto`",
        )
    mixed = MIXED[precision]
    # accelerate holds a whole process to the precision of its first Accelerator, and only this
    # lets the next training have another; earlier ones see the new state, which suits them too.
    if AcceleratorState._shared_state and AcceleratorState().mixed_precision != mixed:
        AcceleratorState._reset_state()
    return Accelerator(cpu=device == "cpu", mixed_precision=mixed)
