"""Outputs that the user stored as a teacher: logits, top-k or hard labels, by sample id."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from compress.errors import InputError
from compress.store.tensors_file import map_tensors
from compress.tasks.npz import read_npz
from compress.teachers.scores import FLOOR, logits_of
from compress.teachers.teacher import Gives, Teacher
from compress.teachers.top_k import lengthen

NAMES = ("ids", "logits", "probabilities", "indices", "tail", "labels", "embeddings")
IN_MEMORY_BYTES = 256 * 1024**2  # an npz file can't be mapped
_FORMS = (
    "`logits` or `probabilities` (n, classes); `indices` and `probabilities` (n, k), or `indices`, "
    "`logits` (n, k) and `tail` (n,); or `labels` (n,)"
)
_SHOWN = 3


def outputs_teacher(path: Path, *, digest: str, classes: int | None) -> Teacher:
    """A teacher that answers by sample id alone, from an .npz or .safetensors file.

    classes: of the task; None for embeddings, which are stored as `embeddings` (n, width).

    Arrays: `ids` (n,) whole numbers, each once, and one of the forms in the module's message:
    all scores, top-k with its tail (what probabilities lack to 1, or the log-sum of the other
    logits), or the class alone. Raises InputError for a file that holds anything else, and in an
    answer for ids that it lacks.
    """
    arrays = _read(path)
    ids = _ids(arrays, path)
    order = np.argsort(ids, kind="stable")
    in_order = ids[order]
    gives: Gives = (
        _embeddings(arrays, len(ids), path)
        if classes is None
        else _form(arrays, len(ids), classes, path)
    )

    def by_id(wanted: NDArray[np.int64]) -> NDArray[np.float32]:
        at = np.searchsorted(in_order, wanted)
        found = at < len(in_order)
        found[found] = in_order[at[found]] == wanted[found]
        if not found.all():
            lost = wanted[~found]
            raise InputError(
                f"holds no output of {len(lost)} samples (ids "
                f"{', '.join(str(number) for number in lost[:_SHOWN])}"
                f"{', ...' if len(lost) > _SHOWN else ''})",
                where=str(path),
                cure="store one row per training sample; ids count the task's samples from 0",
            )
        if classes is None:
            return np.asarray(arrays["embeddings"][order[at]], dtype=np.float32)
        return _dense(arrays, order[at], gives, classes, path)

    def answer(*inputs: Tensor) -> NDArray[np.float32]:
        raise InputError(
            "stored outputs have no answer to an input",
            where="teacher.kind: outputs",
            cure="store its outputs for these samples, or name the model itself",
        )

    return Teacher(
        name=path.name,
        digest=digest,
        answer=answer,
        module=None,
        onnx_path=None,
        by_id=by_id,
        gives=gives,
    )


def _read(path: Path) -> Mapping[str, NDArray[Any]]:
    if path.suffix == ".safetensors":
        arrays: Mapping[str, NDArray[Any]] = map_tensors(path)
        if unknown := sorted(set(arrays) - set(NAMES)):
            cure = f"keep these names alone: {', '.join(NAMES)}"
            raise InputError(f"holds {unknown[0]!r}", where=str(path), cure=cure)
        return arrays
    if path.suffix != ".npz":
        cure = "write it with numpy.savez or safetensors.numpy.save_file"
        raise InputError("is no .npz or .safetensors file", where=str(path), cure=cure)
    arrays = read_npz(path, names=NAMES)
    if sum(array.nbytes for array in arrays.values()) > IN_MEMORY_BYTES:
        raise InputError(
            "holds more than 256 MiB, and an npz file can't be memory-mapped",
            where=str(path),
            cure="write it with safetensors.numpy.save_file",
        )
    return arrays


def _ids(arrays: Mapping[str, NDArray[Any]], path: Path) -> NDArray[np.int64]:
    if "ids" not in arrays:
        cure = "store `ids` (n,): the number of each sample in the task, from 0"
        raise InputError("holds no `ids`", where=str(path), cure=cure)
    ids = arrays["ids"]
    if ids.ndim != 1 or ids.dtype.kind not in "iu" or not len(ids):
        raise InputError(f"ids are {ids.dtype} of shape {ids.shape}, not (n,) integers",
                         where=str(path))  # fmt: skip
    whole: NDArray[np.int64] = ids.astype(np.int64)
    if len(np.unique(whole)) < len(whole):
        raise InputError("an id comes twice", where=str(path), cure="store each sample once")
    return whole


def _embeddings(arrays: Mapping[str, NDArray[Any]], count: int, path: Path) -> Gives:
    held = set(arrays) - {"ids"}
    if held != {"embeddings"}:
        shown = ", ".join(sorted(held)) or "nothing"
        cure = "store `embeddings` (n, width): the task's outputs are embeddings"
        raise InputError(f"holds {shown} beside ids", where=str(path), cure=cure)
    _check_floats(arrays["embeddings"], "embeddings", str(path))
    if len(arrays["embeddings"]) != count:
        what = f"{len(arrays['embeddings'])} rows of embeddings for {count} ids"
        raise InputError(what, where=str(path))
    return "logits"


def _form(arrays: Mapping[str, NDArray[Any]], count: int, classes: int, path: Path) -> Gives:
    held = set(arrays) - {"ids"}
    where = str(path)
    for name in held:
        if len(arrays[name]) != count:
            what = f"{len(arrays[name])} rows of {name} for {count} ids"
            raise InputError(what, where=where)
    scores = next((name for name in ("logits", "probabilities") if name in held), "")
    if held == {"labels"}:
        _check_classes(arrays["labels"], classes, "labels", where, axes=1)
        return "labels"
    if scores and held == {scores}:
        _check_floats(arrays[scores], scores, where)
        if arrays[scores].shape[1:] != (classes,):
            raise InputError(
                f"{scores} have the shape {arrays[scores].shape}, the task has {classes} classes",
                where=where,
                cure="use a teacher of the same classes",
            )
        return "logits"
    if held in ({"indices", "probabilities"}, {"indices", "logits", "tail"}):
        _check_floats(arrays[scores], scores, where)
        _check_classes(arrays["indices"], classes, "indices", where, axes=2)
        k = arrays["indices"].shape[1]
        if arrays[scores].shape != arrays["indices"].shape or not 1 <= k <= classes:
            raise InputError(f"{scores} and indices are not both (n, k)", where=where)
        if "tail" in held and arrays["tail"].shape != (count,):
            raise InputError(f"tail has the shape {arrays['tail'].shape}, not (n,)", where=where)
        return "top-k"
    shown = ", ".join(sorted(held)) or "nothing"
    raise InputError(f"holds {shown} beside ids", where=where, cure=f"store {_FORMS}")


def _check_classes(
    numbers: NDArray[Any], classes: int, name: str, where: str, *, axes: int
) -> None:
    if numbers.ndim != axes or numbers.dtype.kind not in "iu":
        raise InputError(f"{name} are {numbers.dtype} of shape {numbers.shape}, not whole numbers "
                         f"on {axes} axes", where=where)  # fmt: skip
    if numbers.size and not (int(numbers.min()) >= 0 and int(numbers.max()) < classes):
        raise InputError(
            f"{name} reach from {numbers.min()} to {numbers.max()}, the task has {classes} classes",
            where=where,
            cure="number classes from 0, as the task does",
        )


def _check_floats(scores: NDArray[Any], name: str, where: str) -> None:
    if scores.ndim != 2 or scores.dtype.kind != "f":
        what = f"{name} are {scores.dtype} of shape {scores.shape}, not floats on two axes"
        raise InputError(what, where=where)


def _dense(
    arrays: Mapping[str, NDArray[Any]],
    rows: NDArray[np.int64],
    gives: Gives,
    classes: int,
    path: Path,
) -> NDArray[np.float32]:
    if gives == "labels":
        logits = np.full((len(rows), classes), np.log(FLOOR), dtype=np.float32)
        logits[np.arange(len(rows)), arrays["labels"][rows]] = 0.0
        return logits
    if gives == "logits":
        if "logits" in arrays:
            return np.asarray(arrays["logits"][rows], dtype=np.float32)
        return logits_of(np.asarray(arrays["probabilities"][rows]))
    indices = arrays["indices"][rows]
    if "tail" in arrays:
        return lengthen(indices, arrays["logits"][rows], arrays["tail"][rows], classes=classes)
    shares = arrays["probabilities"][rows].astype(np.float32)
    left = 1.0 - shares.sum(axis=1)
    if float(shares.min()) < 0.0 or float(left.min()) < -0.01:
        cure = "store them after softmax over all classes"
        raise InputError("top-k probabilities are below 0 or sum to more than 1",
                         where=str(path), cure=cure)  # fmt: skip
    return lengthen(
        indices,
        np.log(np.maximum(shares, FLOOR)),
        np.log(np.maximum(left, FLOOR)),
        classes=classes,
    )
