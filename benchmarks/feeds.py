"""What a model is fed while it is timed: real samples where there are some, else random ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from benchmarks.sources import Source
from exporters.errors import InputError
from exporters.values import TensorSpec, shape_fits

Array = NDArray[np.generic]
Inputs = Array | Mapping[str, Array]
Dims = tuple[int | None, ...]  # None: the batch


def read_shapes(flags: Sequence[str]) -> dict[str, Dims]:
    """`--shape name=d,d` flags to dims per input. A dim is a whole number or the word batch."""
    shapes: dict[str, Dims] = {}
    for flag in flags:
        name, equals, text = flag.rpartition("=")
        words = [word.strip() for word in text.split(",")]
        good = all(word == "batch" or (word.isdecimal() and int(word) > 0) for word in words)
        if not equals or not name or not good:
            cure = "write --shape NAME=d,d with whole numbers from 1, or `batch` for the batch"
            raise InputError(f"{flag!r} is not a shape", where="--shape", cure=cure)
        if name in shapes:
            raise InputError(f"{name!r} is given twice", where="--shape", cure="give it once")
        shapes[name] = tuple(None if word == "batch" else int(word) for word in words)
    return shapes


def random_inputs(
    artifact: Source, *, rows: int, seed: int, shapes: Mapping[str, Dims] | None = None
) -> dict[str, Array]:
    """Seeded feeds for every input, `rows` along the batch. Floats: standard normal; whole numbers
    and booleans: 0 and 1, which are in the range of any index. No denormals.

    InputError where a dim is open and not in shapes: it lists the inputs and the flags to paste.
    """
    shapes = dict(shapes or {})
    where = str(artifact.path)
    known = {spec.name for spec in artifact.inputs}
    for name in shapes:
        if name not in known:
            cure = f"its inputs are {_listed(artifact.inputs)}"
            raise InputError(f"--shape {name}: no such input", where=where, cure=cure)
    if any(_open_dims(spec, batch_symbol(artifact)) for spec in _without(artifact, shapes)):
        flags = " ".join(_flag(spec, batch_symbol(artifact)) for spec in _without(artifact, shapes))
        what = f"has open dimensions: {_listed(artifact.inputs)}"
        raise InputError(what, where=where, cure=f"give their sizes, as in {flags}")
    rng = np.random.default_rng(seed)
    made: dict[str, Array] = {}
    for spec in artifact.inputs:
        dims = _resolve(spec, shapes.get(spec.name), batch_symbol(artifact), where)
        shape = tuple(rows if dim is None else dim for dim in dims)
        made[spec.name] = _random(spec, shape, rng, where)
    return made


def unnamed(inputs: Mapping[str, Array]) -> Inputs:
    """A single input's array alone: files that are compared may call it differently."""
    return inputs if len(inputs) > 1 else next(iter(inputs.values()))


def cell_feeds(artifact: Source, inputs: Inputs, *, batch: int) -> dict[str, Array]:
    """Feeds at one batch size; rows repeat where there are too few. An input whose first dim is
    fixed beside one that is open is fed whole. InputError when names, types or shapes don't fit.
    """
    where = str(artifact.path)
    if isinstance(inputs, Mapping):
        given = dict(inputs)
    elif len(artifact.inputs) == 1:
        given = {artifact.inputs[0].name: inputs}
    else:
        what = f"takes {len(artifact.inputs)} inputs: {_listed(artifact.inputs)}"
        raise InputError(what, where=where, cure="give an array for each by name")
    names = {spec.name for spec in artifact.inputs}
    if names != set(given):
        what = f"takes {_listed(artifact.inputs)}, and was given {sorted(given)}"
        raise InputError(what, where=where, cure="give an array for each input by its name")
    is_open = batch_symbol(artifact) is not None
    feeds: dict[str, Array] = {}
    for spec in artifact.inputs:
        array = _cast(np.asarray(given[spec.name]), spec, where)
        fixed = spec.shape[0] if spec.shape else None
        if spec.shape and not (is_open and isinstance(fixed, int)):
            if isinstance(fixed, int) and fixed != batch:
                what = f"its batch is fixed: {_listed(artifact.inputs)}"
                cure = f"measure it at batch {fixed}, or export it with an open batch"
                raise InputError(what, where=where, cure=cure)
            if len(array) == 0:
                raise InputError(f"no samples for {spec.name}", where=where, cure="give some")
            array = array[np.arange(batch) % len(array)]
        if not shape_fits(spec.shape, array.shape):
            what = f"{spec.name} was given {array.shape}; it takes {_listed([spec])}"
            raise InputError(what, where=where, cure="give samples of the model's own shape")
        feeds[spec.name] = np.asarray(array, order="C")  # ascontiguousarray makes a scalar (1,)
    return feeds


def batch_symbol(artifact: Source) -> int | str | None:
    """What the file calls its batch: the open first dim of the first input that has one.

    None: no input has an open first dim. A dim without a name is -1 here.
    """
    for spec in artifact.inputs:
        if spec.shape and not isinstance(spec.shape[0], int):
            return -1 if spec.shape[0] is None else spec.shape[0]
    return None


def _is_batch(spec: TensorSpec, axis: int, batch: int | str | None) -> bool:
    dim = spec.shape[axis]
    if isinstance(dim, int) or batch is None:
        return False
    return dim == batch or (axis == 0 and (dim is None or batch == -1))


def _open_dims(spec: TensorSpec, batch: int | str | None) -> bool:
    return any(
        not isinstance(dim, int) and not _is_batch(spec, axis, batch)
        for axis, dim in enumerate(spec.shape)
    )


def _without(artifact: Source, shapes: Mapping[str, Dims]) -> list[TensorSpec]:
    """Inputs whose open dims nobody gave."""
    batch = batch_symbol(artifact)
    return [s for s in artifact.inputs if s.name not in shapes and _open_dims(s, batch)]


def _flag(spec: TensorSpec, batch: int | str | None) -> str:
    words = []
    for axis, dim in enumerate(spec.shape):
        is_batch = _is_batch(spec, axis, batch)
        words.append("batch" if is_batch else str(dim) if isinstance(dim, int) else "128")
    return f"--shape {spec.name}={','.join(words)}"


def _resolve(spec: TensorSpec, given: Dims | None, batch: int | str | None, where: str) -> Dims:
    if given is None:
        return tuple(dim if isinstance(dim, int) else None for dim in spec.shape)
    opens = bool(spec.shape) and _is_batch(spec, 0, batch)
    if opens and len(given) == len(spec.shape) - 1:  # the shape of one sample
        given = (None, *given)
    fits = len(given) == len(spec.shape) and all(
        (size is None) == _is_batch(spec, axis, batch) and (not isinstance(dim, int) or dim == size)
        for axis, (dim, size) in enumerate(zip(spec.shape, given, strict=False))
    )
    if not fits:
        what = f"--shape {spec.name} does not fit {_listed([spec])}"
        cure = f"write it as in {_flag(spec, batch)}"
        raise InputError(what, where=where, cure=f"{cure}; --batch gives the batch")
    return given


def _random(
    spec: TensorSpec, shape: tuple[int, ...], rng: np.random.Generator, where: str
) -> Array:
    dtype = _dtype(spec, where)
    if dtype.kind == "f":
        return rng.standard_normal(shape).astype(dtype)
    return rng.integers(0, 2, size=shape).astype(dtype)


def _cast(array: Array, spec: TensorSpec, where: str) -> Array:
    """Another width of float is cast, as whoever serves the model would do; nothing else is."""
    dtype = _dtype(spec, where)
    if array.dtype == dtype:
        return array
    if array.dtype.kind == "f" and dtype.kind == "f":
        return array.astype(dtype)
    what = f"{spec.name} was given {array.dtype}; it takes {_listed([spec])}"
    raise InputError(what, where=where, cure=f"convert the samples to {spec.dtype}")


def _dtype(spec: TensorSpec, where: str) -> np.dtype[np.generic]:
    try:
        dtype: np.dtype[np.generic] = np.dtype(spec.dtype)
    except TypeError as exc:
        what = f"input {spec.name} is {spec.dtype}, which numpy can't make"
        raise InputError(what, where=where, cure="give it float32 inputs at export") from exc
    if dtype.kind not in "fiub":
        raise InputError(f"input {spec.name} is {spec.dtype}", where=where, cure="use --data")
    return dtype


def _listed(specs: Sequence[TensorSpec]) -> str:
    parts = []
    for spec in specs:
        dims = ", ".join("?" if dim is None else str(dim) for dim in spec.shape)
        parts.append(f"{spec.name} {spec.dtype} ({dims})")
    return "; ".join(parts)
