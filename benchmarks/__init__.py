"""Any ONNX file to numbers that can be believed."""

from __future__ import annotations

import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from benchmarks.compare import compare
    from benchmarks.measure import measure
    from benchmarks.settings import BenchSettings

__all__ = ["BenchSettings", "compare", "measure"]

_HOMES = {
    "BenchSettings": "benchmarks.settings",
    "compare": "benchmarks.compare",
    "measure": "benchmarks.measure",
}


def __getattr__(name: str) -> Any:
    """Import on first use (PEP 562): `import benchmarks.stats` loads numpy alone."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    value = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


class _Package(ModuleType):
    """`from benchmarks import measure` is the function, also after `import benchmarks.measure`.

    The import system sets a submodule as an attribute of its package; where a public function has
    the name of its file, that would hide the function, depending on who imported what first.
    """

    def __setattr__(self, name: str, value: object) -> None:
        if not (name in _HOMES and isinstance(value, ModuleType)):
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package
