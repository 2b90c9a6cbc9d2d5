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
    """An Accelerator on that device. precision: float32, bfloat16, or on CUDA float16.

    Accelerate keeps the first device and precision of a process: a second training that asks for
    others would end in its ValueError, or stay on the CPU without a word. So they are forgotten
    first, unless several processes agreed on them.
    """
    from accelerate import Accelerator
    from accelerate.state import AcceleratorState, is_initialized

    check_device(device)
    if device == "cpu" and precision == "float16":
        raise RuntimeMissing(
            "float16 trains on CUDA alone",
            where="distill.precision",
            cure="write `precision: bfloat16` or `auto`",
        )
    wanted = (device, MIXED[precision])
    if is_initialized():
        state = AcceleratorState()
        if state.backend is None and (state.device.type, state.mixed_precision) != wanted:
            AcceleratorState._reset_state(reset_partial_state=True)
    return Accelerator(cpu=device == "cpu", mixed_precision=MIXED[precision])
