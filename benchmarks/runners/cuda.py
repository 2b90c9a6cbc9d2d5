"""The CUDA device through torch: is it there, which one is it, and a stopwatch on its queue."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from exporters.errors import RuntimeMissing


def cuda_torch() -> Any:
    """The module torch, with a device. RuntimeMissing says what is not there.

    torch also brings the CUDA and cuDNN libraries that onnxruntime loads.
    """
    try:
        torch: Any = import_module("torch")
    except ImportError as error:
        what = f"torch can't be imported: {error}"
        raise RuntimeMissing(what, cure="install a torch with CUDA (`make gpu-env`)") from error
    if torch.version.cuda is None:
        what = f"torch {torch.__version__} is built without CUDA"
        raise RuntimeMissing(what, cure="install a torch with CUDA (`make gpu-env`), or use cpu")
    if not torch.cuda.is_available():
        what = f"torch {torch.__version__} finds no CUDA device"
        raise RuntimeMissing(what, cure="look at `nvidia-smi` and CUDA_VISIBLE_DEVICES")
    return torch


def describe_device(torch: Any, index: int = 0) -> dict[str, Any]:
    """Name, memory and UUID of a visible device; NVML numbers devices in another way."""
    found = torch.cuda.get_device_properties(index)
    return {
        "name": str(found.name),
        "uuid": f"GPU-{found.uuid}" if hasattr(found, "uuid") else "",
        "memory_bytes": int(found.total_memory),
        "cuda": str(torch.version.cuda),
        "torch": str(torch.__version__),
    }


class CudaTimer:
    """Two events on one stream: the time between them as the device saw it.

    The stream must be the one that the work is put on; events on another time nothing.
    """

    def __init__(self, torch: Any, stream: Any) -> None:
        self._stream = stream
        self._begun = torch.cuda.Event(enable_timing=True)
        self._ended = torch.cuda.Event(enable_timing=True)

    def start(self) -> None:
        self._begun.record(self._stream)

    def stop_ns(self) -> int:
        self._ended.record(self._stream)
        self._ended.synchronize()
        elapsed_ms: float = self._begun.elapsed_time(self._ended)
        return round(elapsed_ms * 1e6)
