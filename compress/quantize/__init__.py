"""From a float ONNX file to a smaller one. The package is also the function:

    from compress import quantize
    made = quantize("float.onnx", path="int8.onnx", data=arrays, max_drop=0.005)

The arguments are those of compress.quantize.api.quantize; made.artifact is the file, or None with
made.reason.
"""

from __future__ import annotations

import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import os

    from compress.quantize.values import Quantized


class _Package(ModuleType):
    """A package that can be called; onnxruntime is loaded by the call and not by the import."""

    def __call__(
        self, source: str | os.PathLike[str], *, path: str | os.PathLike[str], **settings: Any
    ) -> Quantized:
        """As compress.quantize.api.quantize, which checks the settings."""
        from compress.quantize.api import quantize

        return quantize(source, path=path, **settings)


sys.modules[__name__].__class__ = _Package
