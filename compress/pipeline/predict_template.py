"""Uses the student in this folder, with onnxruntime and numpy alone (Pillow for image files,
tokenizers for texts, scipy for recordings).

    python predict.py picture.png recording.wav samples.npy ... [--json]
    python predict.py texts.txt ... [--json]     # a text per line
    python predict.py texts.txt ... --out embeddings.npy     # of a student of embeddings

    from predict import predict
    predict(images)   # [("Sneaker", 0.98), ...]
    answers(["a small dog", "to run fast"])   # (n, width): its scores, or embeddings

Samples hold raw values as in the data set (0 to 255 for 8-bit images); what the network was trained
to see is made of them here, as manifest.json says.
"""

# This file is copied as it is into run folders: it imports nothing of the project, and it prints.
# ruff: noqa: T201

from __future__ import annotations

import argparse
import hashlib
import json
import runpy
import sys
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import ArrayLike, NDArray

FOLDER = Path(__file__).resolve().parent
BATCH = 64


class Refused(Exception):
    """One line: what can't be used and why."""


def predict(images: ArrayLike | Sequence[ArrayLike] | Sequence[str]) -> list[tuple[str, float]]:
    """The class and its probability in [0, 1], for each sample.

    images: one sample or a batch: (n, channels, height, width), (n, height, width),
    (n, height, width, channels), or what else manifest.json gives as the shape of a sample; for a
    student of texts, a list of texts.
    """
    classes = _student()[0]["classes"]
    if not classes:
        raise Refused("this student gives embeddings and no classes: call answers(...)")
    found = []
    for row in _softmax(answers(images).astype(np.float64)):
        best = int(row.argmax())
        found.append((str(classes[best]), float(row[best])))
    return found


def answers(images: ArrayLike | Sequence[ArrayLike] | Sequence[str]) -> NDArray[np.float32]:
    """What the network gives of each sample, (n, width): scores of classes, or embeddings.

    images: as for predict.
    """
    manifest, session = _student()
    made = manifest["preprocessing"]
    samples: Any
    feed: Callable[[Any, dict[str, Any]], dict[str, NDArray[Any]]]
    if made.get("tokenizer"):
        samples, feed = _as_texts(images), _text_feed
    else:
        given = np.asarray(images)
        samples, feed = _as_batch(given, _sample_shape(given, made)), _feed
    found = [
        session.run(None, feed(samples[start : start + BATCH], made))[0]
        for start in range(0, len(samples), BATCH)
    ]
    if not found:
        return np.empty((0, len(manifest["classes"])), dtype=np.float32)
    return np.concatenate(found).astype(np.float32, copy=False)


def _as_texts(given: Any) -> list[str]:
    texts = [given] if isinstance(given, str) else list(given)
    if not all(isinstance(text, str) for text in texts):
        raise Refused("this student takes texts")
    return texts


def _text_feed(texts: list[str], made: dict[str, Any]) -> dict[str, NDArray[Any]]:
    """A batch, padded to its longest text."""
    rows = [encoded.ids for encoded in _tokenizer().encode_batch(texts)]
    ids = np.full((len(rows), max(1, *map(len, rows))), int(made["padding"]), dtype=np.int64)
    mask = np.zeros_like(ids)
    for index, row in enumerate(rows):
        ids[index, : len(row)] = row
        mask[index, : max(1, len(row))] = 1
    return {"input_ids": ids, "attention_mask": mask}


def _feed(samples: NDArray[Any], made: dict[str, Any]) -> dict[str, NDArray[Any]]:
    """Scaled, or raw where the model scales them itself."""
    dtype = made.get("inside")
    batch = samples.astype(dtype or np.float32)
    if not dtype:
        batch = batch * np.float32(made["scale"])
    elif dtype == "uint8" and not np.array_equal(batch, samples):
        raise Refused("this student takes whole numbers from 0 to 255")
    return {made["input_name"]: np.ascontiguousarray(batch)}


@cache
def _tokenizer() -> Any:
    """The tokenizer that manifest.json names; it cuts long texts, and pads nothing."""
    manifest, _ = _student()
    name = manifest["preprocessing"]["tokenizer"]
    try:
        from tokenizers import Tokenizer
    except ImportError as error:
        raise Refused("texts need tokenizers (pip install tokenizers)") from error
    try:
        data = _listed(manifest, name)
    except OSError as error:
        raise Refused(f"{FOLDER / name}: can't be read: {error}") from error
    return Tokenizer.from_buffer(data)


@cache
def _student() -> tuple[dict[str, Any], Any]:
    """The manifest, and a session over the model."""
    try:
        manifest = json.loads((FOLDER / "manifest.json").read_bytes())
        model = _listed(manifest, manifest["model"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise Refused(f"{FOLDER}: not the folder of a finished run ({error})") from error
    return manifest, onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])


def _listed(manifest: dict[str, Any], name: str) -> bytes:
    """A file of this folder, once it is the one that the manifest names."""
    data = (FOLDER / name).read_bytes()
    if hashlib.sha256(data).hexdigest() != manifest["files"][name]["sha256"]:
        raise Refused(
            f"{FOLDER / name}: not the file that manifest.json lists; run `distil verify`"
        )
    return data


def _sample_shape(samples: NDArray[Any], made: dict[str, Any]) -> tuple[int, ...]:
    """What one sample has; images are of any size where the model resizes them itself."""
    shape = tuple(made["shape"])
    if not (made.get("inside") and made["resize"]) or samples.ndim < 2:
        return shape
    last = samples.ndim > 2 and samples.shape[-1] == shape[0] != samples.shape[-3]
    return (shape[0], *(samples.shape[-3:-1] if last else samples.shape[-2:]))


def _as_batch(samples: NDArray[Any], shape: tuple[int, ...]) -> NDArray[Any]:
    """Samples as (n, *shape)."""
    if samples.dtype.kind not in "uif":
        raise Refused(f"samples are {samples.dtype}, numbers are due")
    if samples.shape == shape:
        return samples[None]
    if samples.shape[1:] == shape and samples.ndim > 0:
        return samples
    if len(shape) == 3:
        channels, height, width = shape
        if samples.shape[-3:] == (height, width, channels):
            return np.moveaxis(samples.reshape(-1, height, width, channels), -1, 1)
        if channels == 1 and samples.shape[-2:] == (height, width) and samples.ndim in {2, 3}:
            return samples.reshape(-1, 1, height, width)
    raise Refused(
        f"samples have the shape {samples.shape}, (n, {', '.join(map(str, shape))}) is due"
    )


def _softmax(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    """(n, classes) -> probabilities along the classes."""
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True))


def _read(path: Path) -> list[str] | NDArray[Any]:
    """The samples of a file: a text per line that is not empty; arrays; a recording; an image."""
    made = _student()[0]["preprocessing"]
    try:
        if made.get("tokenizer"):
            lines = path.read_text(encoding="utf-8").splitlines()
            return [line for line in lines if line.strip()]
        if path.suffix.lower() == ".npy":
            return np.asarray(np.load(path, allow_pickle=False))
        if path.suffix.lower() == ".npz":
            return _read_npz(path)
        if made.get("sample_rate"):
            return _read_recording(path, made)
        return _read_image(path, made)
    except (OSError, ValueError, EOFError) as error:
        raise Refused(f"{path}: can't be read: {error}") from error


def _read_npz(path: Path) -> NDArray[Any]:
    with np.load(path, allow_pickle=False) as arrays:
        names = list(arrays.files)
        name = names[0] if len(names) == 1 else "images"
        if name not in names:
            raise Refused(f"{path}: holds {names}; one array, or one named 'images', is due")
        return np.asarray(arrays[name])


def _read_recording(path: Path, made: dict[str, Any]) -> NDArray[Any]:
    """A WAV file as the data set's own were read, by waveform.py in this folder."""
    rate, seconds = made["sample_rate"], made["seconds"]
    try:
        reader = runpy.run_path(str(FOLDER / "waveform.py"))
        wave = reader["read_waveform"](path.read_bytes(), sample_rate=rate, seconds=seconds)
    except ImportError as error:
        raise Refused(f"{path}: recordings need scipy (pip install scipy)") from error
    found = reader["log_mel"](wave, sample_rate=rate, mels=made["mels"]) if made["mels"] else wave
    return np.asarray(found)


def _read_image(path: Path, made: dict[str, Any]) -> NDArray[Any]:
    """A PNG or JPEG as the data set's own were read: upright, 8 bits, transparency on white."""
    try:
        from PIL import Image, ImageOps
    except ImportError as error:
        raise Refused(f"{path}: images need Pillow (pip install pillow), or give .npy") from error
    if len(made["shape"]) != 3 or made["shape"][0] not in {1, 3}:
        raise Refused(f"{path}: this student takes no image files, give .npy")
    channels, height, width = made["shape"]
    with Image.open(path, formats=("PNG", "JPEG")) as opened:
        opened.load()
        image: Any = ImageOps.exif_transpose(opened)
    if image.mode in {"I;16", "I;16B", "I;16L", "I"}:
        image = Image.fromarray((np.asarray(image).astype(np.uint32) >> 8).astype(np.uint8))
    elif image.mode in {"LA", "RGBA", "PA", "La", "RGBa"} or "transparency" in image.info:
        colour = image.convert("RGBA")
        if colour.getchannel("A").getextrema() != (255, 255):
            white = Image.new("RGBA", colour.size, (255, 255, 255, 255))
            colour = Image.alpha_composite(white, colour)
        image = colour.convert("RGB")
    elif image.mode in {"P", "CMYK", "YCbCr"}:
        image = image.convert("RGB")
    image = image.convert("L" if channels == 1 else "RGB")
    if image.size != (width, height) and not made.get("inside"):
        if not made["resize"]:
            size = f"{image.width} x {image.height}"
            raise Refused(f"{path}: the image is {size}, {width} x {height} is due")
        image = image.resize((width, height), Image.Resampling[made["resize"].upper()])
    return np.asarray(image)


def _rows(paths: Sequence[str]) -> Iterator[dict[str, Any]]:
    for path in paths:
        samples = _read(Path(path))
        if not _student()[0]["classes"]:
            for index, numbers in enumerate(answers(samples)):
                yield {"file": path, "index": index, "embedding": numbers.tolist()}
            continue
        for index, (name, probability) in enumerate(predict(samples)):
            yield {"file": path, "index": index, "class": name, "probability": probability}


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit code 0, or 2 with one line on stderr."""
    parser = argparse.ArgumentParser(description="Say what the samples are.")
    parser.add_argument(
        "files", nargs="+", help="images, .wav, .npy, .npz, or .txt: texts, one a line"
    )
    parser.add_argument("--json", action="store_true", help="one JSON list instead of lines")
    parser.add_argument(
        "--out", metavar="FILE.npy", help="write what the network gives, a row each"
    )
    options = parser.parse_args(arguments)
    try:
        if options.out:
            found = np.concatenate([answers(_read(Path(path))) for path in options.files])
            np.save(options.out, found)
            print(f"{options.out}: {len(found)} rows of {found.shape[1]} numbers")
            return 0
        rows = list(_rows(options.files))
    except Refused as error:
        print(error, file=sys.stderr)
        return 2
    if options.json:
        print(json.dumps(rows, indent=2))
    else:
        for row in rows:
            if "embedding" in row:
                first = " ".join(f"{number:.3f}" for number in row["embedding"][:6])
                print(f"{row['file']}[{row['index']}]  {first} ...")
                continue
            print(f"{row['file']}[{row['index']}]  {row['class']}  {row['probability']:.1%}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
