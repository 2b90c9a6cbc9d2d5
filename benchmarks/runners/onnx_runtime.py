"""One ONNX model in onnxruntime, fed by name: made once, called often, closed at the end."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from exporters.errors import InputError
from exporters.session import open_session

_TYPES = {  # what onnxruntime calls them
    "float": "float32", "double": "float64", "float16": "float16", "bool": "bool",
    "int8": "int8", "int16": "int16", "int32": "int32", "int64": "int64",
    "uint8": "uint8", "uint16": "uint16", "uint32": "uint32", "uint64": "uint64",
}  # fmt: skip


class OnnxRuntimeRunner:
    """A context manager. Threads are those inside an operator; spinning is off unless asked."""

    def __init__(self, path: Path, *, threads: int, device: str, spinning: bool = False) -> None:
        self._session: Any = open_session(path, threads=threads, device=device, spinning=spinning)

    def __enter__(self) -> OnnxRuntimeRunner:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Free the session; calls made afterwards raise."""
        self._session = None

    def prepare(self, feeds: Mapping[str, NDArray[np.generic]]) -> Callable[[], object]:
        """A call without arguments that runs the model once. InputError when feeds don't fit."""
        if self._session is None:
            raise InputError("the runner is closed", cure="open it again")
        takes = {
            i.name: i.type.removeprefix("tensor(").rstrip(")") for i in self._session.get_inputs()
        }
        if set(takes) != set(feeds):
            raise InputError(f"takes inputs {sorted(takes)}, and was given {sorted(feeds)}")
        for name, array in feeds.items():
            if _TYPES.get(takes[name], takes[name]) != array.dtype.name:
                raise InputError(f"input {name} takes {takes[name]}, and was given {array.dtype}")
        run, fixed = self._session.run, dict(feeds)
        return lambda: run(None, fixed)
