"""Every kind of PNG and JPEG becomes the square that a person would expect, or is refused."""

from __future__ import annotations

import contextlib
import io
import struct
import zlib
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from compress.errors import InputError
from compress.tasks.image_decode import decode_image


def _bytes(image: Image.Image, kind: str = "PNG", **save: Any) -> bytes:
    stream = io.BytesIO()
    image.save(stream, kind, **save)
    return stream.getvalue()


def _decode(data: bytes, *, size: int = 8, channels: int = 3) -> np.ndarray:
    return decode_image(data, size=size, channels=channels, where="x.png")


def test_no_resize_keeps_every_pixel() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (8, 8, 3), dtype=np.uint8)
    np.testing.assert_array_equal(
        _decode(_bytes(Image.fromarray(pixels))), pixels.transpose(2, 0, 1)
    )


def test_shrinking_averages() -> None:
    """A fine chequerboard becomes grey and not one of its colours: antialiasing."""
    board = (np.indices((64, 64)).sum(0) % 2 * 255).astype(np.uint8)
    small = _decode(_bytes(Image.fromarray(board)), channels=1)
    assert small.shape == (1, 8, 8)
    assert abs(small[:, 1:-1, 1:-1].astype(int) - 127).max() <= 3


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB", "RGBA", "LA"])
@pytest.mark.parametrize("channels", [1, 3])
def test_every_mode_of_png(mode: str, channels: int) -> None:
    image = Image.new("L", (20, 10), 255).convert(mode)
    out = _decode(_bytes(image), channels=channels)
    assert out.shape == (channels, 8, 8)
    assert out.dtype == np.uint8
    assert (out == 255).all()


def test_sixteen_bits_keep_the_high_byte() -> None:
    grey = np.full((8, 8), 0x80FF, dtype=np.uint16)
    out = _decode(_bytes(Image.fromarray(grey)), channels=1)
    assert (out == 0x80).all()


def test_transparency_is_laid_on_white() -> None:
    out = _decode(_bytes(Image.new("RGBA", (8, 8), (0, 0, 0, 0))))
    assert (out == 255).all()
    half = _decode(_bytes(Image.new("RGBA", (8, 8), (0, 0, 0, 128))))
    assert abs(half.astype(int) - 127).max() <= 1
    palette = Image.new("P", (8, 8), 3)
    palette.putpalette([10] * 768)
    assert (_decode(_bytes(palette)) == 10).all()
    assert (_decode(_bytes(palette, transparency=3)) == 255).all()


@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_of_cameras_is_applied(orientation: int) -> None:
    turns = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }
    upright = np.zeros((16, 16), np.uint8)
    upright[:8, :8] = 250  # bright at the top left
    stored = Image.fromarray(upright)
    if orientation in turns:
        stored = stored.transpose(turns[orientation])
    exif = Image.Exif()
    exif[0x0112] = orientation
    out = _decode(_bytes(stored, "JPEG", quality=95, exif=exif), channels=1)[0]
    assert out[:3, :3].min() > 200
    assert out[:3, 5:].max() < 50
    assert out[5:, :].max() < 50


def test_cmyk_jpeg_becomes_colour() -> None:
    out = _decode(_bytes(Image.new("CMYK", (8, 8), (0, 255, 255, 0)), "JPEG"))
    assert out[0].min() > 200
    assert out[1:].max() < 60


def _png_header(width: int, height: int) -> bytes:
    """A valid PNG that claims a size and holds almost nothing."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    body = chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


@pytest.mark.parametrize("side", [7_100, 10_000, 20_000, 2**31 - 1])
def test_decompression_bombs_are_refused(side: int) -> None:
    with pytest.raises(InputError, match=r"decompression bomb|broken image"):
        _decode(_png_header(side, side))


def test_animated_png_is_refused() -> None:
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "blue")]
    data = _bytes(frames[0], save_all=True, append_images=frames[1:])
    with pytest.raises(InputError, match="animated"):
        _decode(data)


@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
def test_every_truncation_is_refused_or_harmless(kind: str) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (12, 12, 3), dtype=np.uint8)
    data = _bytes(Image.fromarray(pixels), kind)
    whole = _decode(data)
    for length in range(0, len(data), 3):
        try:
            out = _decode(data[:length])
        except InputError:
            continue
        np.testing.assert_array_equal(out, whole)  # only an end mark is gone


@settings(max_examples=150, deadline=None)
@given(changes=st.dictionaries(st.integers(0, 600), st.integers(0, 255), max_size=6))
def test_mutated_files_are_read_or_refused(changes: dict[int, int]) -> None:
    pixels = np.arange(12 * 12, dtype=np.uint8).reshape(12, 12)
    for kind in ("PNG", "JPEG"):
        data = bytearray(_bytes(Image.fromarray(pixels), kind))
        for position, value in changes.items():
            data[position % len(data)] = value
        with contextlib.suppress(InputError):
            assert _decode(bytes(data)).shape == (3, 8, 8)
