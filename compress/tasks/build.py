"""From a task node to a Task: the one place where `task.kind` becomes behaviour."""

from __future__ import annotations

from pathlib import Path
from typing import assert_never

from compress.recipe.nodes import (
    AudioFolderTask,
    ImageArraysTask,
    ImageFolderTask,
    PythonTask,
    TaskNode,
    TextTask,
)
from compress.tasks.arrays import image_arrays
from compress.tasks.assemble import OnEvent, Parts, assemble
from compress.tasks.augment import Augmentation
from compress.tasks.augment_audio import AudioAugmentation
from compress.tasks.data import Task
from compress.tasks.images import image_folder
from compress.tasks.labelled import hide_labels
from compress.tasks.mapped import MappedFiles
from compress.tasks.python import python_task
from compress.tasks.recordings import audio_augmentation, audio_folder
from compress.tasks.text_task import text_task
from compress.tasks.unlabelled import as_embeddings


def build_task(
    node: TaskNode,
    *,
    folder: Path,
    seed: int,
    cache: Path,
    data_folder: Path | None = None,
    on_event: OnEvent | None = None,
) -> Task:
    """Load, check and split. folder: the recipe's, which paths are relative to; cache: where what
    was fetched or decoded is kept; data_folder: where the user keeps known data sets.

    Each read of the test split is an event of kind "test-read". InputError for data that is
    missing, broken, or can't be trained on or judged.
    """
    parts: Parts
    match node:
        case ImageArraysTask():
            parts = image_arrays(
                node, folder=folder, cache=cache, data_folder=data_folder, on_event=on_event
            )
        case ImageFolderTask():
            parts = image_folder(node, folder=folder, seed=seed, cache=cache, on_event=on_event)
        case TextTask():
            texts = text_task(
                node,
                folder=folder,
                seed=seed,
                cache=cache,
                data_folder=data_folder,
                on_event=on_event,
            )
            return texts if node.outputs == "classes" else as_embeddings(texts)
        case AudioFolderTask():
            parts = audio_folder(node, folder=folder, seed=seed, cache=cache, on_event=on_event)
        case PythonTask():
            parts = python_task(node, folder=folder)
        case _:
            assert_never(node)
    task = assemble(
        parts,
        augmentation=_augmentation(node),
        seed=seed,
        mapping=MappedFiles(folder=cache / "data" / "mapped"),
        on_event=on_event,
    )
    if node.outputs == "embeddings":
        return as_embeddings(task)
    return task if node.labelled is None else hide_labels(task, node.labelled, seed=seed)


def _augmentation(
    node: ImageArraysTask | ImageFolderTask | AudioFolderTask | PythonTask,
) -> Augmentation | AudioAugmentation:
    if isinstance(node, AudioFolderTask):
        return audio_augmentation(node)
    given = node.augment
    return Augmentation(pad_pixels=given.crop, flip=given.flip, erase_probability=given.erase)
