"""Training of students. The package is also the function: `from compress import distill`.

    trained = distill(teacher, student, data=data, loss="kd", settings={"epochs": 4})

It trains a copy of `student` in the calling process and gives `trained.module`; the arguments are
those of compress.distill.api.distill. `distil run` starts the same training in a child process.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

    from torch import nn

    from compress.distill.api import Trained
    from compress.tasks.data import ArrayData, Task
    from exporters.events import Event


class _Package(ModuleType):
    """A package that can be called; torch is loaded by the call and not by the import."""

    def __call__(
        self,
        teacher: nn.Module | None,
        student: nn.Module,
        *,
        data: ArrayData | Task,
        loss: Any = "kd",
        settings: Mapping[str, Any] | None = None,
        augment: Mapping[str, Any] | None = None,
        seed: int = 0,
        checkpoints: str | Path | None = None,
        on_event: Callable[[Event], None] = lambda event: None,
    ) -> Trained:
        """As compress.distill.api.distill."""
        from compress.distill.api import distill

        return distill(
            teacher,
            student,
            data=data,
            loss=loss,
            settings=settings,
            augment=augment,
            seed=seed,
            checkpoints=checkpoints,
            on_event=on_event,
        )


sys.modules[__name__].__class__ = _Package
