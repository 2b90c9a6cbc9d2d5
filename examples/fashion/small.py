"""A small part of Fashion-MNIST, for searches of minutes: `target: "small.py:data"`."""

from __future__ import annotations

from compress.cli.cache_folder import cache_folder
from compress.tasks.data import ArrayData
from compress.tasks.fashion import CLASSES, load_fashion

TRAIN, VALIDATION, TEST = 4000, 3000, 4000


def data() -> ArrayData:
    """Validation and test are both of the official test split, which no shipped teacher has seen:
    what it gains over a student by heart shows in neither."""
    files = load_fashion(folder=None, cache=cache_folder(None))
    images, labels = files["t10k-images-idx3-ubyte"], files["t10k-labels-idx1-ubyte"]
    end = VALIDATION + TEST
    return ArrayData(
        train=(
            files["train-images-idx3-ubyte"][:TRAIN, None],
            files["train-labels-idx1-ubyte"][:TRAIN],
        ),
        validation=(images[:VALIDATION, None], labels[:VALIDATION]),
        test=(images[VALIDATION:end, None], labels[VALIDATION:end]),
        classes=CLASSES,
    )
