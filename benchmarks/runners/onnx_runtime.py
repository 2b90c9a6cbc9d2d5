"""One ONNX model in onnxruntime, fed by name: made once, called often, closed at the end."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from benchmarks.runners.runner import Call, Closing, DeviceCall, Feeds, check_feeds, closed
from exporters.session import open_session
from exporters.values import TensorSpec

_TYPES = {  # what onnxruntime calls them, where numpy has another name
    "float": "float32", "double": "float64", "string": "str",
}  # fmt: skip


def session_inputs(session: Any) -> tuple[TensorSpec, ...]:
    """What a session takes. An input that is no tensor keeps the runtime's word for its type.

    Shape ("...",): the runtime does not tell a scalar from an input of any shape.
    """
    return tuple(_spec(found) for found in session.get_inputs())


def _spec(found: Any) -> TensorSpec:
    kind = found.type.removeprefix("tensor(").removesuffix(")")
    return TensorSpec(
        name=found.name, dtype=_TYPES.get(kind, kind), shape=tuple(found.shape) or ("...",)
    )


class OnnxRuntimeRunner(Closing):
    """On the CPU. A context manager. threads: inside an operator; spinning is off unless asked."""

    def __init__(self, path: Path, *, threads: int, spinning: bool = False) -> None:
        self._session: Any = open_session(path, threads=threads, spinning=spinning)

    @property
    def fallback_nodes(self) -> tuple[str, ...]:
        return ()

    def close(self) -> None:
        """Free the session; calls made afterwards raise."""
        self._session = None

    def explain(self, error: Exception) -> Exception:
        """As it is: the names of its exceptions say enough on the CPU."""
        return error

    def prepare(self, feeds: Feeds) -> Call:
        """A call without arguments that runs the model once. InputError when feeds don't fit."""
        if self._session is None:
            raise closed()
        check_feeds(session_inputs(self._session), feeds)
        run, fixed = self._session.run, dict(feeds)
        return lambda: run(None, fixed)

    def prepare_on_device(self, feeds: Feeds) -> DeviceCall | None:
        """None: on the CPU the whole call is the call on the device."""
        self.prepare(feeds)
        return None
