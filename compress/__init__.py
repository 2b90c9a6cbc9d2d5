"""From a trained model and budgets to the smallest ONNX student that meets them.

Names are loaded when they are first used (PEP 562): `import compress` brings no torch.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from compress.distill.api import distill
    from compress.gate.judge import judge
    from compress.pipeline.run import run
    from compress.prune.api import prune
    from compress.quantize.api import quantize
    from compress.search.solve import solve

__all__ = ["distill", "judge", "prune", "quantize", "run", "solve"]

_HOMES = {
    "judge": "compress.gate.judge",
    "run": "compress.pipeline.run",
    "solve": "compress.search.solve",
}


# Not among them: `distill`, `prune` and `quantize`, packages that the import system finds and that
# can be called.
def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(home), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
