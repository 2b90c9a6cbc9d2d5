"""Arrays from the user's own function: the one task that runs code, and only what they name."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from compress.errors import InputError
from compress.recipe.nodes import PythonTask
from compress.recipe.targets import load_target
from compress.tasks.assemble import Parts, Split
from compress.tasks.data import ArrayData
from compress.tasks.streams import StreamData


def python_task(node: PythonTask, *, folder: Path) -> Parts:
    """What the target returns. InputError when it fails or returns no ArrayData of arrays."""
    data = load_target(node.target, folder)()
    if isinstance(data, StreamData):
        raise InputError(
            "returned streams, which have an answer per frame and have no recipes yet",
            where=node.target,
            cure="train on them from Python: compress.distill(teacher, student, data=...)",
        )
    if not isinstance(data, ArrayData):
        raise InputError(
            f"returned {type(data).__name__}",
            where=node.target,
            cure="return compress.tasks.ArrayData(train=(inputs, labels), test=..., classes=...)",
        )
    given = data.validation
    if given is not None and node.validation:
        raise InputError(
            f"task.validation asks for {node.validation} samples of train, and the function gives "
            "validation samples",
            where=node.target,
            cure="remove one of them",
        )
    return Parts(
        name=node.kind,
        where=node.target,
        train=_pair(data.train, "train", node.target),
        test=_pair(data.test, "test", node.target),
        validation=None if given is None else _pair(given, "validation", node.target),
        validation_count=node.validation,
        classes=_names(data.classes, node.target),
        scale=_scale(data.scale, node.target),
        test_columns=data.test_columns,
        test_groups=data.test_groups,
    )


def _pair(pair: object, split: str, where: str) -> Split:
    if (
        not isinstance(pair, tuple)
        or len(pair) != 2
        or not all(isinstance(array, np.ndarray) for array in pair)
    ):
        raise InputError(
            f"{split} is not a pair of numpy arrays",
            where=where,
            cure="return (inputs, labels); a tensor becomes an array by .numpy()",
        )
    inputs, labels = pair
    return inputs, labels


def _names(classes: object, where: str) -> tuple[str, ...]:
    if isinstance(classes, str) or not isinstance(classes, (tuple, list)):
        cure = 'return classes=("first", "second", ...)'
        raise InputError(f"classes are {type(classes).__name__}", where=where, cure=cure)
    return tuple(classes)


def _scale(scale: object, where: str) -> float | None:
    if scale is None:
        return None
    if isinstance(scale, bool) or not isinstance(scale, (int, float)):
        raise InputError(f"scale is {type(scale).__name__}, not a number", where=where)
    return float(scale)
