"""What a number depends on: processor, what of it is allowed, memory, versions, load."""

from __future__ import annotations

import os
import platform
import sys
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from benchmarks.values import Environment
from exporters.cpus import allowed_cpus

# Those that decide which kernels run: a model's speed and, for int8, its very answers follow them.
_KERNEL_FLAGS = (
    "sse4_1", "avx", "f16c", "fma", "avx2", "avx_vnni", "avx512f", "avx512bw", "avx512dq",
    "avx512vl", "avx512_vnni", "avx512_bf16", "avx512_fp16", "amx_tile", "amx_int8", "amx_bf16",
    "asimd", "asimdhp", "asimddp", "i8mm", "bf16", "sve", "sve2", "svei8mm", "svebf16",
)  # fmt: skip
_PACKAGES = ("onnxruntime", "onnxruntime-gpu", "numpy", "onnx")
_NO_LIMIT = 1 << 60  # cgroup v1 writes a huge number where v2 writes "max"


def read_environment(root: Path = Path("/")) -> Environment:
    """The present state of this machine, as this process may use it. root: for tests."""
    model, flags = _processor(root)
    return Environment(
        cpu_model=model,
        cpu_flags=flags,
        allowed_cpus=allowed_cpus(),
        memory_bytes=_memory_bytes(root),
        platform=f"{platform.system()} {platform.release()} {platform.machine()}",
        python=platform.python_version(),
        versions=_versions(),
        load_average=round(os.getloadavg()[0], 2),
        governor=_read(root / "sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"),
    )


def machine_fingerprint(root: Path = Path("/")) -> dict[str, str]:
    """What makes a timed decision another one: part of the key of stages that rest on speed."""
    model, flags = _processor(root)
    return {
        "cpu_model": model,
        "cpu_flags": " ".join(flags),
        "allowed_cpus": str(allowed_cpus()),
        "architecture": platform.machine(),
        **({"gpus": gpus} if (gpus := _gpus(root)) else {}),
    }


def _gpus(root: Path) -> str:
    """Models and driver, as the driver's own files have them: nothing is started for it."""
    models = [
        line.partition(":")[2].strip()
        for path in sorted((root / "proc/driver/nvidia/gpus").glob("*/information"))
        for line in (_read(path) or "").splitlines()
        if line.startswith("Model:")
    ]
    driver = (_read(root / "proc/driver/nvidia/version") or "").partition("\n")[0]
    return "; ".join([*models, driver]) if models else ""


def _processor(root: Path) -> tuple[str, tuple[str, ...]]:
    fields: dict[str, str] = {}
    for line in (_read(root / "proc/cpuinfo") or "").splitlines():
        name, colon, value = line.partition(":")
        if colon:
            fields.setdefault(name.strip(), value.strip())
    part = f"{fields.get('CPU implementer', '')} {fields.get('CPU part', '')}".strip()
    model = fields.get("model name") or fields.get("Model") or part or platform.machine()
    present = set((fields.get("flags") or fields.get("Features") or "").split())
    return model, tuple(flag for flag in _KERNEL_FLAGS if flag in present)


def _memory_bytes(root: Path) -> int:
    limits: list[int] = []
    for line in (_read(root / "proc/meminfo") or "").splitlines():
        if line.startswith("MemTotal:"):
            limits.append(int(line.split()[1]) * 1024)
    for line in (_read(root / "proc/self/cgroup") or "").splitlines():
        number, _, rest = line.partition(":")
        controllers, _, inside = rest.partition(":")
        if number == "0" or "memory" in controllers.split(","):
            limits += _group_limits(root / "sys/fs/cgroup", inside.strip("/"), v2=number == "0")
    return min(limits, default=0)


def _group_limits(top: Path, inside: str, *, v2: bool) -> list[int]:
    """The memory limits of a control group and those above it."""
    folder = top if v2 else top / "memory"
    parts = () if ".." in inside else tuple(part for part in inside.split("/") if part)
    name = "memory.max" if v2 else "memory.limit_in_bytes"
    texts = [_read(folder.joinpath(*parts[:n], name)) or "max" for n in range(len(parts) + 1)]
    return [int(text) for text in texts if text.isdigit() and int(text) < _NO_LIMIT]


def _versions() -> dict[str, str]:
    names = [*_PACKAGES, "torch"] if "torch" in sys.modules else list(_PACKAGES)
    found: dict[str, str] = {}
    for name in names:
        with suppress(PackageNotFoundError):
            found[name] = version(name)
    if "onnxruntime-gpu" in found:  # that build installs the package `onnxruntime` too
        found.setdefault("onnxruntime", found["onnxruntime-gpu"])
    return found


def _read(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip() or None
    except OSError:
        return None
