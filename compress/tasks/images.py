"""Image folders: squares of 8-bit pixels, a folder per class."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from compress.recipe.nodes import ImageFolderTask
from compress.tasks.assemble import OnEvent, Parts
from compress.tasks.class_folders import IMAGES
from compress.tasks.folders import IN_MEMORY_BYTES, Decoder, folder_parts, hash_folder
from compress.tasks.image_decode import DECODER, decode_image


def image_folder(
    node: ImageFolderTask,
    *,
    folder: Path,
    seed: int,
    cache: Path,
    on_event: OnEvent | None = None,
    in_memory_bytes: int = IN_MEMORY_BYTES,
) -> Parts:
    """uint8 images (n, channels, size, size), split and numbered as folder_parts does. InputError
    for a broken image, and as there."""
    decoder = Decoder(
        wanted=IMAGES,
        name=(DECODER, node.size, node.channels),
        shape=(node.channels, node.size, node.size),
        dtype=np.uint8,
        decode=lambda data, where: decode_image(
            data, size=node.size, channels=node.channels, where=where
        ),
    )
    return folder_parts(
        node,
        hash_folder(folder / node.data, IMAGES),
        decoder,
        folder=folder,
        seed=seed,
        cache=cache,
        on_event=on_event,
        in_memory_bytes=in_memory_bytes,
    )
