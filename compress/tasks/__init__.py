"""Data: images, texts, recordings and streams, from files or from the user's own Python."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from compress.tasks.build import build_task
    from compress.tasks.data import ArrayData, Samples, Task
    from compress.tasks.streams import StreamData

__all__ = ["ArrayData", "Samples", "StreamData", "Task", "build_task"]


def __getattr__(name: str) -> Any:  # PEP 562: nothing is loaded before it is asked for
    if name == "build_task":
        from compress.tasks.build import build_task

        return build_task
    if name == "StreamData":
        from compress.tasks.streams import StreamData

        return StreamData
    if name in __all__:
        from compress.tasks import data

        return getattr(data, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
