"""From arrays per split to a Task: checks, split, ids, fingerprint, and the counted test split."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from compress.errors import InputError
from compress.tasks.augment import Augmentation
from compress.tasks.augment_audio import AudioAugmentation
from compress.tasks.checks import check_classes, check_inputs, check_range, checked_labels
from compress.tasks.columns import checked_columns, checked_groups, columns_digest
from compress.tasks.content import content_digests, fingerprint
from compress.tasks.copies import found_copies
from compress.tasks.data import Recorded, Samples, Task
from compress.tasks.mapped import MappedFiles, rows_of
from compress.tasks.split import default_validation, validation_indices
from exporters.events import Event

OnEvent = Callable[[Event], None]
Split = tuple[NDArray[np.generic], NDArray[np.generic]]  # inputs (n, ...), labels (n,)


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """Arrays as a source gives them. ids: those of all samples, train then validation then test;
    by default they count on in this order. where: the source's name in messages."""

    name: str
    where: str
    train: Split
    test: Split
    validation: Split | None = None
    validation_count: int = 0  # taken from train where validation is absent; 0: 10 %
    classes: tuple[str, ...]
    scale: float | None = None  # default 1/255 for uint8, else 1
    ids: tuple[NDArray[np.int64], ...] | None = None
    notes: tuple[str, ...] = ()
    origin: str = ""  # a digest of what the arrays were made from, part of the fingerprint
    test_columns: Mapping[str, NDArray[np.generic]] = field(default_factory=dict)
    test_groups: NDArray[np.integer] | None = None
    recorded: Recorded | None = None


def assemble(
    parts: Parts,
    *,
    augmentation: Augmentation | AudioAugmentation,
    seed: int,
    mapping: MappedFiles | None = None,
    on_event: OnEvent | None = None,
) -> Task:
    """Check, split and fingerprint. InputError for anything that can't be trained on or judged.

    mapping: where splits of more than 256 MiB go, to be mapped; None keeps all in memory.
    """
    check_classes(parts.classes, where=parts.where)
    train = _checked(parts, "train", parts.train)
    test = _checked(parts, "test", parts.test)
    given = None if parts.validation is None else _checked(parts, "validation", parts.validation)
    _check_present(train[1], where=f"{parts.where}: train")
    _check_alike(train[0], test[0], where=f"{parts.where}: test")
    if given is not None:
        _check_alike(train[0], given[0], where=f"{parts.where}: validation")

    train_ids, validation_ids, test_ids = _ids(parts)
    if given is None:
        count = parts.validation_count or default_validation(len(train[0]))
        keep, held = validation_indices(content_digests(train[0]), count, seed=seed)
        in_validation = Samples(
            ids=train_ids[held],
            inputs=rows_of(train[0], held, mapping=mapping),
            labels=train[1][held],
        )
        in_train = Samples(
            ids=train_ids[keep],
            inputs=rows_of(train[0], keep, mapping=mapping),
            labels=train[1][keep],
        )
    else:
        in_validation = Samples(
            ids=validation_ids, inputs=rows_of(given[0], None, mapping=mapping), labels=given[1]
        )
        in_train = Samples(
            ids=train_ids, inputs=rows_of(train[0], None, mapping=mapping), labels=train[1]
        )
    in_test = Samples(
        ids=test_ids,
        inputs=rows_of(test[0], None, mapping=mapping),
        labels=test[1],
        columns=checked_columns(parts.test_columns, samples=len(test[0]), where=parts.where),
        groups=checked_groups(parts.test_groups, samples=len(test[0]), where=parts.where),
    )
    splits = {"train": in_train, "validation": in_validation, "test": in_test}

    image = in_train.inputs.ndim == 4
    if isinstance(augmentation, Augmentation) and not (image or augmentation.is_identity):
        raise InputError(
            f"inputs of shape {in_train.inputs.shape[1:]} are no images, which alone are augmented",
            where="task.augment",
            cure="remove it, or give (n, channels, height, width)",
        )
    input_name = "images" if image else "inputs"
    scale = parts.scale
    if scale is None:
        scale = 1.0 / 255.0 if in_train.inputs.dtype == np.uint8 else 1.0
    if not (np.isfinite(scale) and scale > 0.0):
        raise InputError(f"the scale {scale} is not a positive number", where=parts.where)
    preprocessing = {
        "version": 1,
        "classes": parts.classes,
        "scale": scale,
        "input_name": input_name,
        "origin": parts.origin,
    }
    if in_test.columns or in_test.groups is not None:
        preprocessing["columns"] = columns_digest(in_test)
    copies = found_copies(splits, where=parts.where)
    return Task(
        name=parts.name,
        classes=parts.classes,
        input_name=input_name,
        scale=scale,
        augmentation=augmentation,
        fingerprint=fingerprint(splits, preprocessing=preprocessing),
        train=in_train,
        validation=in_validation,
        test=CountedTest(in_test, on_event=on_event),
        test_samples=len(in_test),
        columns=tuple(in_test.columns),
        recorded=parts.recorded,
        notes=parts.notes + absence_notes(splits, parts.classes) + copies.notes,
        held_out_too=copies.in_train,
    )


class CountedTest:
    """The test split behind a call: every read is counted and told, for the judge may read once."""

    def __init__(self, samples: Samples, *, on_event: OnEvent | None) -> None:
        self._samples = samples
        self._on_event = on_event
        self.reads = 0

    def __call__(self) -> Samples:
        self.reads += 1
        if self._on_event is not None:
            message = f"the test split was read ({len(self._samples):,} samples)"
            self._on_event(Event("test-read", "task", message, data={"reads": self.reads}))
        return self._samples


def _checked(
    parts: Parts, split: str, arrays: Split
) -> tuple[NDArray[np.generic], NDArray[np.int64]]:
    where = f"{parts.where}: {split}"
    inputs, labels = arrays
    check_inputs(inputs, where=where)
    checked = checked_labels(labels, samples=len(inputs), where=where)
    check_range(checked, parts.classes, where=where)
    return inputs, checked


def _check_present(labels: NDArray[np.int64], *, where: str) -> None:
    present = np.unique(labels)
    if len(present) < 2:
        raise InputError(
            f"all {len(labels)} samples are of class {present[0]}; training needs two or more",
            where=where,
        )


def _check_alike(train: NDArray[np.generic], other: NDArray[np.generic], *, where: str) -> None:
    if other.shape[1:] != train.shape[1:] or other.dtype != train.dtype:
        raise InputError(
            f"inputs are {other.dtype} of shape {other.shape[1:]}, those of train {train.dtype} of "
            f"shape {train.shape[1:]}",
            where=where,
        )


def _ids(parts: Parts) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    counts = [
        len(parts.train[0]),
        0 if parts.validation is None else len(parts.validation[0]),
        len(parts.test[0]),
    ]
    if parts.ids is not None:
        train, validation, test = parts.ids
        return train, validation, test
    train, validation, test = np.split(
        np.arange(sum(counts), dtype=np.int64), np.cumsum(counts)[:-1]
    )
    return train, validation, test


def absence_notes(splits: dict[str, Samples], classes: tuple[str, ...]) -> tuple[str, ...]:
    notes = []
    for name, samples in splits.items():
        counts = np.bincount(samples.labels, minlength=len(classes))
        absent = [classes[index] for index in np.flatnonzero(counts == 0)]
        if absent:
            notes.append(f"no {name} sample is of class {', '.join(absent)}")
    return tuple(notes)
