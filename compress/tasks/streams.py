"""Streams in memory to a Task: features and a label per frame, of any length."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from compress.errors import InputError
from compress.tasks.assemble import CountedTest
from compress.tasks.augment import Augmentation
from compress.tasks.checks import check_classes, check_range
from compress.tasks.content import content_digests, fingerprint
from compress.tasks.copies import found_copies
from compress.tasks.data import Samples, Task
from compress.tasks.frames import FRAME_INPUTS, pack_streams
from compress.tasks.labelled import NO_LABEL
from compress.tasks.split import default_validation, validation_indices

Streams = tuple[Sequence[NDArray[np.floating]], Sequence[NDArray[np.integer]]]


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamData:
    """Per split: features (frames, width) of each stream, and a class index per frame, -100 where
    none is known. Streams differ in length; validation: by default 10 % of the training streams."""

    train: Streams
    test: Streams
    validation: Streams | None = None
    classes: tuple[str, ...]


def stream_task(data: StreamData, *, seed: int = 0, where: str = "streams") -> Task:
    """A task whose networks give (batch, frames, classes). InputError for streams that can't be
    trained on: other widths, lengths that differ from their labels', values that are not finite."""
    check_classes(data.classes, where=where)
    width = _width(data, where)
    given = {
        name: _checked(streams, width, data.classes, where=f"{where}: {name}")
        for name, streams in (
            ("train", data.train), ("validation", data.validation), ("test", data.test),
        )
        if streams is not None
    }  # fmt: skip
    ends = np.cumsum([len(rows) for rows, _ in given.values()])
    ids = dict(zip(given, np.split(np.arange(ends[-1]), ends[:-1]), strict=True))
    splits = {
        name: Samples(ids=ids[name], inputs=rows, labels=labels)
        for name, (rows, labels) in given.items()
    }
    if "validation" not in splits:
        train = splits["train"]
        count = default_validation(len(train))
        keep, held = validation_indices(content_digests(train.inputs), count, seed=seed)
        splits = {
            "train": _part(train, keep),
            "validation": _part(train, held),
            "test": splits["test"],
        }
    preprocessing = {"version": 1, "classes": data.classes, "frames": True}
    copies = found_copies(splits, where=where)
    return Task(
        name="streams",
        classes=data.classes,
        input_name=FRAME_INPUTS[0],
        scale=1.0,
        augmentation=Augmentation(),
        fingerprint=fingerprint(splits, preprocessing=preprocessing),
        train=splits["train"],
        validation=splits["validation"],
        test=CountedTest(splits["test"], on_event=None),
        test_samples=len(splits["test"]),
        notes=copies.notes,
        held_out_too=copies.in_train,
        frames=True,
    )


def _width(data: StreamData, where: str) -> int:
    first = np.asarray(data.train[0][0]) if len(data.train[0]) else np.zeros(0)
    if first.ndim != 2 or first.shape[1] < 1:
        raise InputError(
            f"the first stream has the shape {first.shape}",
            where=f"{where}: train",
            cure="give (frames, features) of each stream",
        )
    return int(first.shape[1])


def _checked(
    streams: Streams, width: int, classes: Sequence[str], *, where: str
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    features, labels = streams
    if len(features) != len(labels) or not len(features):
        raise InputError(f"{len(labels)} rows of labels for {len(features)} streams", where=where)
    for at, (stream, named) in enumerate(zip(features, labels, strict=True)):
        place = f"{where}: stream {at}"
        if stream.ndim != 2 or stream.shape[1] != width or not len(stream):
            what = f"has the shape {stream.shape}, (frames, {width}) is due"
            raise InputError(what, where=place)
        if named.shape != stream.shape[:1] or named.dtype.kind not in "iu":
            what = f"{named.dtype} labels of shape {named.shape} for {len(stream)} frames"
            raise InputError(what, where=place, cure="give one class index per frame")
        if not np.isfinite(stream).all():
            raise InputError("holds NaN or infinity", where=place, cure="repair or drop it")
    rows = pack_streams(features)
    targets = np.full(rows.shape[:2], NO_LABEL, dtype=np.int64)
    for to, named in zip(targets, labels, strict=True):
        to[: len(named)] = named
    known = targets[targets != NO_LABEL]
    if not len(known) or known.min() < 0:
        raise InputError("a frame has a negative label, or none has one", where=where)
    check_range(known, classes, where=where)
    return rows, targets


def _part(samples: Samples, rows: NDArray[np.int64]) -> Samples:
    return Samples(ids=samples.ids[rows], inputs=samples.inputs[rows], labels=samples.labels[rows])
