"""One torch module, eager or compiled, on the CPU or a CUDA device."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.runners.cuda import CudaTimer, cuda_torch
from benchmarks.runners.runner import Call, Closing, DeviceCall, Feeds, check_feeds, closed
from exporters.cpus import check_threads
from exporters.errors import DistilError, InputError
from exporters.values import TensorSpec

_WARM_UP = 3  # runs on a side stream before anything is timed on the device


class TorchRunner(Closing):
    """A context manager. inputs: what the module takes, in the order of its arguments.

    The module is put into evaluation mode and on the device. compiled: by torch.compile, for the
    shapes that it is fed; that happens in the first call.
    """

    def __init__(
        self,
        module: torch.nn.Module,
        *,
        inputs: Sequence[TensorSpec],
        device: str,
        threads: int,
        compiled: bool = False,
    ) -> None:
        check_threads(threads)
        if device not in ("cpu", "cuda"):
            raise InputError(f"torch has no device {device!r}", cure="use cpu or cuda")
        if device == "cuda":
            cuda_torch()
        torch.set_num_threads(threads)
        self._device = device
        self._inputs = tuple(inputs)
        placed = module.eval().to(device)
        self._module: Any = torch.compile(placed, dynamic=False) if compiled else placed

    @property
    def fallback_nodes(self) -> tuple[str, ...]:
        """None: torch raises where a module and its inputs are on different devices."""
        return ()

    def close(self) -> None:
        """Free the module and its memory on the device."""
        self._module = None
        if self._device == "cuda":
            torch.cuda.empty_cache()

    def explain(self, error: Exception) -> Exception:
        """Memory, a device that failed, or what the module raised."""
        return torch_error(error, device=self._device)

    def prepare(self, feeds: Feeds) -> Call:
        """Copies in, run, copies out; on the CPU nothing is copied."""
        module, arrays = self._checked(feeds)
        hosts = [torch.from_numpy(array) for array in arrays]
        device = self._device

        def call() -> list[NDArray[np.generic]]:
            with torch.inference_mode():
                answer = module(*(tensor.to(device) for tensor in hosts))
                # .cpu() returns when the copy is there, and so when the run is over.
                return [tensor.cpu().numpy() for tensor in tensors(answer)]

        return call

    def prepare_on_device(self, feeds: Feeds) -> DeviceCall | None:
        """The run alone on a stream of its own; None on the CPU."""
        if self._device == "cpu":
            self._checked(feeds)
            return None
        module, arrays = self._checked(feeds)
        held = [torch.from_numpy(array).to(self._device) for array in arrays]
        stream: Any = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        stream.wait_stream(torch.cuda.current_stream())  # the copies above

        def call() -> object:
            with torch.inference_mode(), torch.cuda.stream(stream):
                return module(*held)

        for _ in range(_WARM_UP):
            call()
        stream.synchronize()
        return DeviceCall(call=call, timer=CudaTimer(torch, stream))

    def _checked(self, feeds: Feeds) -> tuple[Any, list[NDArray[np.generic]]]:
        if self._module is None:
            raise closed()
        check_feeds(self._inputs, feeds)
        return self._module, [
            np.require(feeds[s.name], requirements=("C", "W")) for s in self._inputs
        ]


def tensors(answer: object) -> list[torch.Tensor]:
    """The tensors that a module returned, in order; of a mapping, its values."""
    if isinstance(answer, torch.Tensor):
        return [answer]
    if isinstance(answer, Mapping):
        answer = tuple(answer.values())
    if isinstance(answer, tuple | list):
        return [tensor for part in answer for tensor in tensors(part)]
    what = f"the module returned {type(answer).__name__}, and not tensors"
    raise InputError(what, cure="return a tensor, or a tuple, list or dict of tensors")


def torch_error(error: Exception, *, device: str) -> DistilError:
    """The one line for what torch raised while a module was placed or run."""
    if isinstance(error, DistilError):
        return error
    said = (str(error).strip() or type(error).__name__).splitlines()[0][:300]
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        cure = "use a smaller batch or a device with more memory"
        return DistilError(f"out of memory on {device}: {said}", cure=cure)
    if isinstance(error, torch.AcceleratorError):
        return DistilError(f"{device} failed: {said}", cure="look at `nvidia-smi` and `dmesg`")
    return DistilError(f"torch failed on {device}: {type(error).__name__}: {said}")
