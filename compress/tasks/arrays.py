"""Image arrays: Fashion-MNIST by name, or the user's IDX folder or npz file."""

from __future__ import annotations

import re
from pathlib import Path
from typing import cast

import numpy as np
from numpy.typing import NDArray

from compress.errors import InputError
from compress.recipe.nodes import ImageArraysTask
from compress.tasks.assemble import OnEvent, Parts, Split
from compress.tasks.fashion import CLASSES, load_fashion
from compress.tasks.idx import read_idx
from compress.tasks.layout import as_images
from compress.tasks.npz import read_npz

NAMES = (
    "train_images", "train_labels", "validation_images", "validation_labels",
    "test_images", "test_labels",
)  # fmt: skip
COLUMN = "test_column_"  # before the name of what else is known of each test sample
GROUPS = "test_groups"
_IDX_NAME = re.compile(r"^(train|validation|test|t10k)-(images|labels)[-.]idx\d(-ubyte)?(\.gz)?$")


def image_arrays(
    node: ImageArraysTask,
    *,
    folder: Path,
    cache: Path,
    data_folder: Path | None = None,
    on_event: OnEvent | None = None,
) -> Parts:
    """The arrays that the node names. data_folder: where the user keeps known data sets; task.data
    comes before it. InputError as the readers raise it, and for a set that is not whole."""
    if node.source is not None:
        place = folder / node.data if node.data is not None else data_folder
        files = load_fashion(folder=place, cache=cache, on_event=on_event)
        return _parts(
            {
                "train_images": files["train-images-idx3-ubyte"],
                "train_labels": files["train-labels-idx1-ubyte"],
                "test_images": files["t10k-images-idx3-ubyte"],
                "test_labels": files["t10k-labels-idx1-ubyte"],
            },
            node,
            name=node.source,
            where=node.source,
            classes=node.classes or CLASSES,
        )
    if node.data is None:
        raise InputError(
            "neither source nor data is written",
            where="task",
            cure="name a known set (`source: fashion-mnist`), or an IDX folder or npz file in data",
        )
    path = folder / node.data
    if path.is_dir():
        arrays = read_idx_folder(path)
    else:
        arrays = read_npz(path, names=(*NAMES, GROUPS), prefix=COLUMN)
    return _parts(arrays, node, name=node.kind, where=str(path), classes=node.classes)


def read_idx_folder(folder: Path) -> dict[str, NDArray[np.generic]]:
    """The arrays of a folder of IDX files, by their names in an npz. Other files are left alone."""
    found: dict[str, Path] = {}
    for path in sorted(folder.iterdir()):
        match = _IDX_NAME.match(path.name)
        if match is None or not path.is_file():
            continue
        split = "test" if match[1] == "t10k" else match[1]
        name = f"{split}_{match[2]}"
        if name in found:
            raise InputError(
                f"both {found[name].name} and {path.name} could be {name}",
                where=str(folder),
                cure="remove one",
            )
        found[name] = path
    if not found:
        cure = "give train-images-idx3-ubyte, train-labels-idx1-ubyte, t10k-... (or .gz), or an npz"
        raise InputError("holds no IDX files", where=str(folder), cure=cure)
    return {name: read_idx(path) for name, path in found.items()}


def _parts(
    arrays: dict[str, NDArray[np.generic]],
    node: ImageArraysTask,
    *,
    name: str,
    where: str,
    classes: tuple[str, ...] | None,
) -> Parts:
    pairs: dict[str, Split] = {}
    for split in ("train", "validation", "test"):
        images, labels = arrays.get(f"{split}_images"), arrays.get(f"{split}_labels")
        if images is None and labels is None and split == "validation":
            continue
        if images is None or labels is None:
            absent = f"{split}_images" if images is None else f"{split}_labels"
            raise InputError(f"{absent} is not there", where=where)
        pairs[split] = (as_images(images, where=f"{where}: {split}_images"), labels)
    columns = {
        key.removeprefix(COLUMN): values for key, values in arrays.items() if key.startswith(COLUMN)
    }
    return Parts(
        name=name,
        where=where,
        train=pairs["train"],
        test=pairs["test"],
        validation=pairs.get("validation"),
        validation_count=node.validation,
        classes=classes or numbered_classes(pairs["train"][1], where=f"{where}: train_labels"),
        test_columns=columns,
        test_groups=cast("NDArray[np.integer] | None", arrays.get(GROUPS)),  # checked later
    )


def numbered_classes(labels: NDArray[np.generic], *, where: str) -> tuple[str, ...]:
    """ "0", "1", ... where the recipe names none. InputError for a gap: it is more often a mistake
    (labels from 1, a stray value) than a class without samples."""
    if labels.size == 0 or labels.dtype.kind not in "iu" or labels.min() < 0:
        return ("0", "1")  # refused with its reason when the labels are checked
    present = np.unique(labels)
    if not np.array_equal(present, np.arange(len(present))):
        gap = int(np.flatnonzero(present != np.arange(len(present)))[0])
        raise InputError(
            f"no sample has label {gap}, but labels go up to {present[-1]}",
            where=where,
            cure="number classes 0, 1, 2, ... without gaps, or name them all in task.classes",
        )
    return tuple(str(label) for label in present)
