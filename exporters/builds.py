"""Which build of onnxruntime is installed: the one for CPUs and the one for GPUs share one folder.

Both distributions write the package `onnxruntime`, pip lets the later one overwrite the earlier
one's files, and removing either takes files of the other away.
"""

from __future__ import annotations

from functools import cache
from importlib.metadata import PackageNotFoundError, version

from exporters.errors import RuntimeMissing

_BUILDS = ("onnxruntime", "onnxruntime-gpu")


@cache
def installed_builds() -> dict[str, str]:
    """Name -> version of each distribution that writes the package `onnxruntime`."""
    found: dict[str, str] = {}
    for name in _BUILDS:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def check_builds() -> None:
    """RuntimeMissing where both are there, with the two commands that repair it."""
    found = installed_builds()
    if len(found) < 2:
        return
    both = " and ".join(f"{name} {number}" for name, number in found.items())
    what = f"{both} are both installed, and each has overwritten files of the other"
    gpu = f"onnxruntime-gpu=={found['onnxruntime-gpu']}"
    cpu = f"onnxruntime=={found['onnxruntime']}"
    cure = (
        f"run `pip uninstall -y {' '.join(_BUILDS)}` and then "
        f"`pip install --no-deps {gpu}` (or {cpu} for CPUs alone)"
    )
    raise RuntimeMissing(what, cure=cure)
