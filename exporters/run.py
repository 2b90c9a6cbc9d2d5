"""Samples through a session, in batches."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from exporters.errors import InputError
from exporters.session import runtime_error

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

_DTYPES = {
    "tensor(float)": "float32",
    "tensor(double)": "float64",
    "tensor(float16)": "float16",
    "tensor(bool)": "bool",
}


Collate = Callable[[NDArray[Any]], Mapping[str, NDArray[Any]]]  # rows -> feeds by input name
Keep = Callable[[NDArray[Any], NDArray[Any]], NDArray[Any]]  # answer, rows -> what of it counts


def run_batches(
    session: InferenceSession,
    inputs: NDArray[Any],
    *,
    batch: int,
    collate: Collate | None = None,
    keep: Keep | None = None,
) -> NDArray[Any]:
    """The first output over all samples. inputs: (n, ...), n >= 1 -> (n, ...); the last batch may
    be smaller. Raises InputError (shape, type, batch) or DistilError.

    collate makes the feeds of a batch of rows: for a model of several inputs, or inputs whose
    length differs from batch to batch. Without it the model has one input, fed as it stands. keep:
    of an answer per frame, (batch, longest, ...) -> (frames that are no padding, ...).
    """
    if batch < 1:
        raise InputError(f"a batch of {batch}", cure="at least 1")
    if inputs.ndim == 0 or not len(inputs):
        raise InputError("no samples to run", cure="give at least one")
    name = _checked(session, inputs, batch) if collate is None else ""
    results: list[NDArray[Any]] = []
    for start in range(0, len(inputs), batch):
        rows = inputs[start : start + batch]
        feeds = {name: rows} if collate is None else _named(session, collate(rows))
        try:
            answer = session.run(None, {k: np.ascontiguousarray(v) for k, v in feeds.items()})[0]
        except Exception as exc:  # onnxruntime's exceptions have no common base class
            raise runtime_error(exc, where=f"batch of {len(rows)}") from exc
        if not isinstance(answer, np.ndarray) or answer.ndim == 0 or len(answer) != len(rows):
            found = getattr(answer, "shape", type(answer).__name__)
            what = f"a batch of {len(rows)} gave a first output of {found}"
            raise InputError(what, cure="its first axis must be the batch")
        results.append(answer if keep is None else keep(answer, rows))
    return np.concatenate(results)


def _named(
    session: InferenceSession, feeds: Mapping[str, NDArray[Any]]
) -> Mapping[str, NDArray[Any]]:
    """The feeds under the model's own names. InputError unless names or their number fit.

    A file from elsewhere may name its inputs otherwise: then they go by their order.
    """
    wanted = [str(entry.name) for entry in session.get_inputs()]
    if set(wanted) == set(feeds):
        return feeds
    if len(wanted) != len(feeds):
        names = ", ".join(ascii(name) for name in wanted) or "none"
        what = f"the model takes {len(wanted)} inputs ({names}), the samples give {sorted(feeds)}"
        raise InputError(what, cure="export it with the inputs of the task, in their order")
    return dict(zip(wanted, feeds.values(), strict=True))


def _checked(session: InferenceSession, inputs: NDArray[Any], batch: int) -> str:
    wanted = session.get_inputs()
    if len(wanted) != 1:
        names = ", ".join(ascii(entry.name) for entry in wanted) or "none"
        raise InputError(f"the model takes {len(wanted)} inputs ({names}), one array was given")
    kind, shape = wanted[0].type, list(wanted[0].shape)
    dtype = _DTYPES.get(kind, kind.removeprefix("tensor(").removesuffix(")"))
    if dtype != inputs.dtype.name:
        what = f"the model's input {wanted[0].name!a} is {dtype}, the samples are"
        raise InputError(f"{what} {inputs.dtype.name}", cure=f"give {dtype} samples")
    fixed = [(axis, size) for axis, size in enumerate(shape) if isinstance(size, int)]
    fed = (batch, *inputs.shape[1:])
    if shape and (len(shape) != len(fed) or any(fed[axis] != size for axis, size in fixed)):
        what = f"the model takes {tuple(shape)}, the samples are {tuple(fed)}"
        raise InputError(what, cure="give samples of that shape")
    if fixed and fixed[0][0] == 0 and len(inputs) % fixed[0][1]:
        what = f"the model takes batches of {fixed[0][1]}, {len(inputs)} samples leave a rest"
        raise InputError(what, cure="export it with a dynamic batch")
    return str(wanted[0].name)
