"""What a file is that was handed in as an ONNX model, from its bytes: no parser, no execution."""

from __future__ import annotations

from typing import NamedTuple


class Looks(NamedTuple):
    """what: "an HTML page, not an ONNX model"; cure: what to do about it."""

    what: str
    cure: str


_AGAIN = "download the file again: the server sent a page and not the file"
_WEIGHTS = "a file of weights has no graph: `distil export pkg.mod:factory OUT.onnx` makes a model"
_CONVERT = "`distil convert IN.pt OUT.safetensors` takes the weights out without running code"
_ONNX = "give the .onnx file itself"
_UNPACK = "unpack it and give the .onnx file inside"

# offset, bytes there, what it is, cure
_MAGIC: tuple[tuple[int, bytes, str, str], ...] = (
    (0, b"version https://git-lfs", "a Git LFS pointer", "run `git lfs pull`"),
    (0, b"PK\x03\x04", "a zip archive", _UNPACK),
    (0, b"\x1f\x8b", "a gzip archive", _UNPACK),
    (0, b"BZh", "a bzip2 archive", _UNPACK),
    (0, b"\xfd7zXZ\x00", "an xz archive", _UNPACK),
    (0, b"(\xb5/\xfd", "a zstandard archive", _UNPACK),
    (257, b"ustar", "a tar archive", _UNPACK),
    (0, b"\x89HDF\r\n\x1a\n", "an HDF5 (Keras) file", "convert it with tf2onnx"),
    (4, b"TFL3", "a TensorFlow Lite model", "convert it with tf2onnx"),
    (4, b"ORTM", "a model in onnxruntime's own .ort format", _ONNX),
    (0, b"GGUF", "a GGUF file", _WEIGHTS),
    (0, b"\x93NUMPY", "a numpy array", _ONNX),
    (0, b"\x89PNG", "a PNG image", _ONNX),
    (0, b"\xff\xd8\xff", "a JPEG image", _ONNX),
    (0, b"%PDF", "a PDF document", _ONNX),
    (0, b"\x7fELF", "a program", _ONNX),
)
_HTML = (b"<!doctype html", b"<html", b"<head", b"<body", b"<!--")
# ModelProto's fields that hold a length and bytes; the rest are plain numbers.
_NUMBERS = frozenset({1, 5})
_LENGTHS = frozenset({2, 3, 4, 6, 7, 8, 14, 20, 25, 26})


def looks_like(data: bytes) -> Looks | None:
    """What data plainly is instead of an ONNX model, or None when it may be one."""
    if not data:
        return Looks("empty file", "write or download it again")
    if data[:2] in {b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05"} or data[:2] == b"cc":
        return Looks("a Python pickle, which can run code: not opened", _CONVERT)
    if data[:4] == b"PK\x03\x04" and (b"data.pkl" in data[:4096] or b"/byteorder" in data[:4096]):
        return Looks("a PyTorch checkpoint (zip and pickle): not opened", _CONVERT)
    for offset, magic, what, cure in _MAGIC:
        if data[offset : offset + len(magic)] == magic:
            return Looks(f"{what}, not an ONNX model", cure)
    if _is_safetensors(data):
        return Looks("a safetensors file, not an ONNX model", _WEIGHTS)
    return _looks_like_text(data)


def why_unreadable(data: bytes) -> Looks:
    """Why the protobuf parser gave up: cut off (and where), or no ONNX model at all.

    Reads the outermost fields of ModelProto: https://protobuf.dev/programming-guides/encoding/.
    """
    position, fields = 0, 0
    while position < len(data):
        tag, position = _varint(data, position)
        field, wire = (tag or 0) >> 3, (tag or 0) & 7
        if field in _NUMBERS and wire == 0:
            value, position = _varint(data, position)
        elif field in _LENGTHS and wire == 2:
            value, position = _varint(data, position)
            position += value or 0
        else:
            break
        fields += 1
        if value is None or position > len(data):
            more = f"at least {position:,}" if value is not None else "more"
            what = f"truncated ONNX model: {len(data):,} bytes here, {more} expected"
            return Looks(what, "copy or download it again")
    if fields and position >= len(data):
        return Looks("damaged ONNX model: its inner records don't parse", "copy it again")
    if fields >= 2:
        what = f"damaged ONNX model: no valid record at byte {position:,} of {len(data):,}"
        return Looks(what, "copy or download it again")
    return Looks("random or foreign bytes, not an ONNX model", _ONNX)


def _is_safetensors(data: bytes) -> bool:
    header = int.from_bytes(data[:8], "little")
    return len(data) > 10 and data[8:9] == b"{" and 2 <= header <= 100_000_000


def _looks_like_text(data: bytes) -> Looks | None:
    head = data[:1024]
    start = head.removeprefix(b"\xef\xbb\xbf").lstrip()[:64].lower()
    if start.startswith(_HTML):
        return Looks("an HTML page, not an ONNX model", _AGAIN)
    if start.startswith((b"<?xml", b"<error")):
        return Looks("an XML document, not an ONNX model", _AGAIN)
    if not head.strip(b"\x00"):
        return Looks("a file of zero bytes, not an ONNX model", "copy or download it again")
    if any(byte < 9 or 13 < byte < 32 for byte in head):
        return None
    if start.startswith((b"{", b"[")):
        return Looks("a JSON document, not an ONNX model", _ONNX)
    return Looks("a text file, not an ONNX model", _ONNX)


def _varint(data: bytes, position: int) -> tuple[int | None, int]:
    """A base-128 number and the place after it; None when the data end within it."""
    value = 0
    for shift in range(0, 70, 7):
        if position >= len(data):
            return None, position
        byte = data[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, position
    return None, position
