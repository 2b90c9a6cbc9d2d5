"""Smaller networks from trained ones. The package is the function: `from compress import prune`.

    pruned = prune(module, example, macs=0.5)

`module` is left as it was; the arguments are those of compress.prune.api.prune. Layers are removed
by compress.prune.layers.truncate, and saved.py stores a result without its teacher.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor, nn

    from compress.prune.choose import Scope
    from compress.prune.importance import Importance, Loss
    from compress.prune.values import Pruned


class _Package(ModuleType):
    """A package that can be called; torch is loaded by the call and not by the import."""

    def __call__(
        self,
        module: nn.Module,
        example: Tensor | Sequence[Tensor],
        *,
        ratio: float | None = None,
        macs: float | None = None,
        scope: Scope = "uniform",
        importance: Importance = "magnitude",
        loss: Loss | None = None,
        round_to: int = 1,
        keep: Sequence[str] = (),
        seed: int = 0,
    ) -> Pruned:
        """As compress.prune.api.prune."""
        from compress.prune.api import prune

        return prune(
            module,
            example,
            ratio=ratio,
            macs=macs,
            scope=scope,
            importance=importance,
            loss=loss,
            round_to=round_to,
            keep=keep,
            seed=seed,
        )


sys.modules[__name__].__class__ = _Package
