"""A network of the list to a float file, and the images that it is quantized and tested with."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from benchmarks.suites.peers.networks import CLASSES, Entry, Frame
from compress import distill
from compress.tasks.data import ArrayData
from compress.tasks.fashion import load_fashion
from exporters.export import export
from exporters.values import OnnxArtifact

INPUT = "images"
_EPOCHS, _BATCH = 3, 128


@dataclass(frozen=True, slots=True, kw_only=True)
class Images:
    """Rows of one split, framed for a network batch by batch. pixels: (n, 1, 28, 28) uint8."""

    pixels: NDArray[np.uint8]
    labels: NDArray[np.int64]
    frame: Frame

    def __len__(self) -> int:
        return len(self.labels)

    def framed(self, start: int, stop: int) -> NDArray[np.float32]:
        """(rows, channels, side, side)."""
        with torch.no_grad():
            found: NDArray[np.float32] = self.frame(_scaled(self.pixels[start:stop])).numpy()
        return found

    def batches(
        self, size: int, *, labels: bool = False
    ) -> Iterator[dict[str, NDArray[np.generic]]]:
        """All rows in their order; labels: under their name, beside the images."""
        for at in range(0, len(self), size):
            feeds: dict[str, NDArray[np.generic]] = {INPUT: self.framed(at, at + size)}
            yield feeds | {"labels": self.labels[at : at + size]} if labels else feeds


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """given: what every side may calibrate and choose by; tested: what none of them has seen."""

    source: OnnxArtifact
    given: Images
    tested: Images


def prepare(
    entry: Entry, *, folder: Path, data: Path | None, cache: Path, seed: int = 0
) -> Prepared:
    """The float file in folder. data: a folder with Fashion-MNIST; by default it is looked for, and
    kept in cache."""
    arrays = load_fashion(folder=data, cache=cache)
    frame = Frame(entry.side)
    order = np.random.default_rng(seed).permutation(60_000)

    def images(split: str, rows: NDArray[np.int64]) -> Images:
        pixels = arrays[f"{split}-images-idx3-ubyte"].reshape(-1, 1, 28, 28)[rows]
        labels = arrays[f"{split}-labels-idx1-ubyte"][rows].astype(np.int64)
        return Images(pixels=pixels.astype(np.uint8), labels=labels, frame=frame)

    given = images("train", order[: entry.given])
    fitted = images("train", order[entry.given :][: entry.fitted])
    tested = images("t10k", np.arange(entry.tested))
    torch.manual_seed(seed)
    network = entry.build()
    if entry.kind == "trained":
        network = _trained(network, entry, fitted, seed=seed)
    source = export(
        network.eval(),
        torch.from_numpy(given.framed(0, 2)),
        path=folder / "float.onnx",
        input_names=(INPUT,),
        output_names=("scores",),
    )
    return Prepared(source=source, given=given, tested=tested)


def _trained(network: nn.Module, entry: Entry, images: Images, *, seed: int) -> nn.Module:
    held = max(CLASSES, len(images) // 20)
    framed = nn.Sequential(images.frame, network)
    data = ArrayData(
        train=(images.pixels[2 * held :], images.labels[2 * held :]),
        validation=(images.pixels[:held], images.labels[:held]),
        test=(images.pixels[held : 2 * held], images.labels[held : 2 * held]),  # never read
        classes=tuple(str(number) for number in range(CLASSES)),
    )
    settings = {"epochs": _EPOCHS, "batch": _BATCH, "average": 0, **entry.settings}
    trained = distill(None, framed, data=data, loss="labels", settings=settings, seed=seed).module
    assert isinstance(trained, nn.Sequential)
    return trained[1]


def _scaled(pixels: NDArray[np.uint8]) -> Tensor:
    return torch.from_numpy(pixels).float() / 255
