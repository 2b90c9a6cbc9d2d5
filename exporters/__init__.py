"""Any torch module to a verified ONNX file: export, open untrusted models, compare with torch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

# Not lazy: the function and its file share a name, and the import system binds the file to it
# when it is first loaded. Loaded here, before anyone else, the function wins. torch stays out.
from exporters.export import export

if TYPE_CHECKING:
    from exporters.artifact import open_artifact
    from exporters.parity import check_parity
    from exporters.values import OnnxArtifact, Parity

__all__ = ["OnnxArtifact", "Parity", "check_parity", "export", "open_artifact"]

_HOMES = {
    "OnnxArtifact": "exporters.values",
    "Parity": "exporters.values",
    "check_parity": "exporters.parity",
    "open_artifact": "exporters.artifact",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
