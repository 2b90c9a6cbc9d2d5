"""From a description in plain JSON to a runner: the one branch over kinds of runners."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from benchmarks.runners.runner import Runner
from exporters.errors import InputError

if TYPE_CHECKING:
    import torch

RUNNERS = ("onnxruntime", "torch", "torch-compiled")


def import_for(runner: str, device: str) -> None:
    """Import what the runner needs, so that no measured time or memory holds it."""
    if runner == "onnxruntime" and device == "cpu":
        import_module("benchmarks.runners.onnx_runtime")
    elif runner == "onnxruntime":
        from benchmarks.runners.cuda import cuda_torch

        cuda_torch()  # before onnxruntime: it brings the libraries that onnxruntime looks for
        import_module("benchmarks.runners.onnx_runtime_gpu")
    else:
        import_module("benchmarks.runners.torch_module")


def open_runner(
    runner: str,
    *,
    device: str,
    threads: int,
    cpu_nodes: int = 0,
    path: str = "",
    loader: str = "",
    arguments: Mapping[str, str] | None = None,
    inputs: Sequence[Mapping[str, Any]] = (),
) -> Runner:
    """onnxruntime takes path; torch takes loader, arguments and inputs (see TorchSource)."""
    match runner:
        case "onnxruntime" if device == "cpu":
            from benchmarks.runners.onnx_runtime import OnnxRuntimeRunner

            return OnnxRuntimeRunner(Path(path), threads=threads)
        case "onnxruntime":
            from benchmarks.runners.onnx_runtime_gpu import OnnxRuntimeGpuRunner

            return OnnxRuntimeGpuRunner(
                Path(path), threads=threads, device=device, cpu_nodes=cpu_nodes
            )
        case "torch" | "torch-compiled":
            from benchmarks.runners.torch_module import TorchRunner
            from exporters.values import TensorSpec

            return TorchRunner(
                _module(loader, dict(arguments or {})),
                inputs=[
                    TensorSpec(name=spec["name"], dtype=spec["dtype"], shape=tuple(spec["shape"]))
                    for spec in inputs
                ],
                device=device,
                threads=threads,
                compiled=runner == "torch-compiled",
            )
        case other:
            raise InputError(f"no runner {other!r}", cure=f"one of {', '.join(RUNNERS)}")


def _module(loader: str, arguments: dict[str, str]) -> torch.nn.Module:
    """What the loader returns. It is a name, and not a function: the child is another process."""
    import torch

    module, _, name = loader.partition(":")
    load = cast("Callable[..., object]", getattr(import_module(module), name))
    found = load(**arguments)
    if not isinstance(found, torch.nn.Module):
        what = f"{loader} returned {type(found).__name__}, not a torch module"
        raise InputError(what, cure="return the module itself")
    return found
