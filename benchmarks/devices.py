"""Is what a device needs on this machine? Asked before anything is started."""

from __future__ import annotations

import ctypes
from collections.abc import Collection
from importlib.metadata import PackageNotFoundError, version

from exporters.builds import check_builds
from exporters.errors import InputError, RuntimeMissing

DEVICES = ("cpu", "cuda", "tensorrt")
_DRIVER = "libcuda.so.1"


def check_device(device: str, runners: Collection[str]) -> None:
    """RuntimeMissing lists in one line all that is not there. runners: those that will run on it.

    A device that is there, and still gives no CUDA, is found by the worker that opens it.
    """
    check_builds()
    if device == "cpu":
        return
    if device == "tensorrt" and set(runners) - {"onnxruntime"}:
        what = "tensorrt runs ONNX files, and a torch module is named"
        raise InputError(
            what, where="--device", cure="measure it on cuda, or name ONNX files alone"
        )
    missing = [problem for problem in _problems(device, runners) if problem]
    if missing:
        cure = "use a machine with an NVIDIA GPU and the environment of `make gpu-env`, or cpu"
        raise RuntimeMissing(f"device {device}: {', '.join(missing)}", cure=cure)


def _problems(device: str, runners: Collection[str]) -> tuple[str, ...]:
    found = [_driver_problem(), _torch_problem()]
    if "onnxruntime" in runners:
        found.append(_provider_problem(device))
    return tuple(found)


def _driver_problem() -> str:
    try:
        ctypes.CDLL(_DRIVER)
    except OSError:
        return f"no NVIDIA driver ({_DRIVER} is not there)"
    return ""


def _torch_problem() -> str:
    """Without importing it, which takes seconds: a CPU build says so in its version."""
    try:
        found = version("torch")
    except PackageNotFoundError:
        return "torch is not installed"
    return f"torch {found} is built without CUDA" if found.endswith("+cpu") else ""


def _provider_problem(device: str) -> str:
    import onnxruntime

    from exporters.session import PROVIDERS

    if PROVIDERS[device] in onnxruntime.get_available_providers():
        return ""
    return f"onnxruntime {onnxruntime.__version__} has no {PROVIDERS[device]}"
