"""One PNG or JPEG to a square array: upright, in 8 bits, resized with antialiasing."""

from __future__ import annotations

import io
import warnings

import numpy as np
import PIL
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from compress.errors import InputError

MOST_PIXELS = 50_000_000
MOST_BYTES = 1 << 28
DECODER = f"pillow {PIL.__version__}"  # another version may give other pixels


def decode_image(data: bytes, *, size: int, channels: int, where: str) -> NDArray[np.uint8]:
    """(channels, size, size). The aspect is not kept; EXIF orientation is applied; transparency is
    laid on white; 16-bit grey keeps its high byte; colour becomes luma for one channel.

    InputError when it is no PNG or JPEG, broken, animated, of another colour mode, or too large.
    """
    image = _opened(data, channels=channels, where=where)
    return _pixels(image.resize((size, size), Image.Resampling.BILINEAR))


def decode_at_own_size(data: bytes, *, channels: int, where: str) -> NDArray[np.uint8]:
    """(channels, height, width): what `decode_image` resizes. Raises as it does."""
    return _pixels(_opened(data, channels=channels, where=where))


def _opened(data: bytes, *, channels: int, where: str) -> Image.Image:
    """Upright, in 8 bits, grey or colour."""
    if len(data) > MOST_BYTES:
        raise InputError(f"{len(data):,} bytes are too many for an image", where=where)
    try:
        with warnings.catch_warnings():
            # Pillow warns of bombs at twice our limit, and of odd metadata: the first is refused
            # below, the second does not touch the pixels.
            warnings.simplefilter("ignore")
            with Image.open(io.BytesIO(data), formats=("PNG", "JPEG")) as image:
                _check(image, where=where)
                image.load()
                # Pillow's transpose of a file without orientation is a copy: cheap beside decoding.
                upright = _flat(ImageOps.exif_transpose(image), where=where)
    except Image.DecompressionBombError as exc:
        raise InputError(_too_large(), where=where, cure="make it smaller") from exc
    except UnidentifiedImageError as exc:
        raise InputError(_guess(data), where=where, cure="repair or remove it") from exc
    except (OSError, ValueError, SyntaxError, EOFError, OverflowError, MemoryError) as exc:
        reason = " ".join(str(exc).split()) or type(exc).__name__
        raise InputError(
            f"a broken image ({reason})", where=where, cure="repair or remove it"
        ) from exc
    return upright.convert("L" if channels == 1 else "RGB")


def _pixels(image: Image.Image) -> NDArray[np.uint8]:
    pixels = np.asarray(image, dtype=np.uint8)
    return pixels[None] if pixels.ndim == 2 else np.ascontiguousarray(pixels.transpose(2, 0, 1))


def _check(image: Image.Image, *, where: str) -> None:
    if image.width * image.height > MOST_PIXELS:
        what = f"{_too_large()}: {image.width} x {image.height}"
        raise InputError(what, where=where, cure="make it smaller")
    if image.format == "PNG" and getattr(image, "is_animated", False):
        raise InputError("an animated PNG", where=where, cure="keep one frame")


def _flat(image: Image.Image, *, where: str) -> Image.Image:
    """8 bits, grey or colour, without transparency."""
    if image.mode == "1":
        return image.convert("L")
    if image.mode in {"I;16", "I;16B", "I;16L", "I"}:
        return Image.fromarray((np.asarray(image).astype(np.uint32) >> 8).astype(np.uint8))
    if image.mode in {"LA", "RGBA", "PA", "La", "RGBa"} or "transparency" in image.info:
        colour = image.convert("RGBA")
        if colour.getchannel("A").getextrema() == (255, 255):
            return colour.convert("RGB")
        white = Image.new("RGBA", colour.size, (255, 255, 255, 255))
        return Image.alpha_composite(white, colour).convert("RGB")
    if image.mode in {"L", "RGB"}:
        return image
    if image.mode in {"P", "CMYK", "YCbCr"}:
        return image.convert("RGB")
    raise InputError(
        f"the colour mode {image.mode} is not read", where=where, cure="convert it to RGB or grey"
    )


def _too_large() -> str:
    return f"more than {MOST_PIXELS // 10**6} million pixels, a decompression bomb"


def _guess(data: bytes) -> str:
    if not data:
        return "an empty file"
    start = data[:256].lstrip().lower()
    if start.startswith((b"<!doctype", b"<html")):
        return "not a PNG or JPEG: it looks like an HTML page (a failed download?)"
    if start.startswith(b"version https://git-lfs"):
        return "not a PNG or JPEG: it looks like a Git LFS pointer (run `git lfs pull`)"
    if start.startswith((b"gif8", b"riff", b"bm", b"ii*", b"mm\0*")):
        return "another format under the name of a PNG or JPEG"
    return "not a PNG or JPEG, or a broken one"
