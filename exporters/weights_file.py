"""What a file is that was handed in as weights, before any library parses it."""

from __future__ import annotations

import json
import math
import mmap
import os
import shlex
from pathlib import Path
from typing import Any, NamedTuple

from exporters.errors import InputError
from exporters.sniff import looks_like

_AGAIN = "copy or download it again"
_CONVERT = "`distil convert {source} {target}` reads it safely"
_HEADER_LIMIT = 100_000_000  # bytes, the format's own
_LENGTH_BYTES = 8
_SNIFFED = 4096  # bytes that tell what a file is
# Bits of one element: https://github.com/huggingface/safetensors, dtype of the header.
_BITS = {
    **dict.fromkeys(("BOOL", "U8", "I8", "F8_E5M2", "F8_E4M3", "F8_E8M0"), 8),
    **dict.fromkeys(("U16", "I16", "F16", "BF16"), 16),
    **dict.fromkeys(("U32", "I32", "F32"), 32),
    **dict.fromkeys(("U64", "I64", "F64", "C64"), 64),
}


class _Found(NamedTuple):
    what: str
    cure: str


def check_weights_file(path: Path) -> bytes:
    """The bytes of a safetensors file whose header is sound. InputError says what else it is.

    Sound: the header parses, offsets follow one another without gap or overlap up to the file's
    end (no room for a second file inside: the polyglots of the Trail of Bits audit), and each
    tensor has the bytes that its shape and type say.
    """
    try:
        data = path.read_bytes()
    except FileNotFoundError as exc:
        raise InputError("no such file", where=str(path), cure="check the path") from exc
    except OSError as exc:
        what = f"can't be read: {exc.strerror or exc}"
        raise InputError(what, where=str(path), cure="check the path and its rights") from exc
    found = _foreign(data, path) or _header_fault(data)
    if found:
        raise InputError(found.what, where=os.fsdecode(path), cure=found.cure)
    return data


def check_header(data: bytes | mmap.mmap, path: Path) -> dict[str, Any]:
    """The header of a safetensors file, sound as check_weights_file wants it; data may be mapped.

    Raises InputError that says what else the file is.
    """
    found = _foreign(data[:_SNIFFED], path) or _header_fault(data)
    if found:
        raise InputError(found.what, where=os.fsdecode(path), cure=found.cure)
    length = int.from_bytes(data[:_LENGTH_BYTES], "little")
    header: dict[str, Any] = json.loads(data[_LENGTH_BYTES : _LENGTH_BYTES + length])
    return header


def is_safetensors(head: bytes) -> bool:
    """Whether a file begins as safetensors do: a length, then JSON.

    Asked before any magic number: a length of 35,615 has the first bytes of gzip.
    """
    return head[_LENGTH_BYTES : _LENGTH_BYTES + 1] == b"{"


def _foreign(data: bytes, path: Path) -> _Found | None:
    if is_safetensors(data):
        return None
    looks = looks_like(data)
    if looks is None:
        return _Found("is no safetensors file", "give the weights as safetensors")
    what = looks.what.replace("not an ONNX model", "not a safetensors file")
    cure = looks.cure
    if "pickle" in what:
        name = f"{path.stem}.safetensors"
        target = path.with_name(name if name != path.name else f"{path.stem}.converted.safetensors")
        cure = _CONVERT.format(source=shlex.quote(str(path)), target=shlex.quote(str(target)))
    elif "an .onnx" in cure or ".onnx file" in cure or "ONNX" in cure:
        cure = "give the .safetensors file itself"
    return _Found(f"is {'an ' if what.startswith('empty') else ''}{what}", cure)


def _header_fault(data: bytes | mmap.mmap) -> _Found | None:
    length = int.from_bytes(data[:_LENGTH_BYTES], "little")
    if length > _HEADER_LIMIT:
        return _Found("is no safetensors file: its header claims more than 100 MB", _AGAIN)
    start = _LENGTH_BYTES + length
    if start > len(data):
        return _Found(
            f"is truncated: {len(data):,} bytes, its header alone ends at {start:,}", _AGAIN
        )
    try:
        header = json.loads(data[_LENGTH_BYTES:start].decode("utf-8"), object_pairs_hook=_no_twins)
        spans = sorted(_span(name, entry) for name, entry in header.items() if name[:2] != "__")
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as exc:
        text = " ".join(str(exc).split())[:120] or type(exc).__name__
        return _Found(f"has a damaged safetensors header: {text}", _AGAIN)
    position = 0
    for begin, end, name in spans:
        if begin != position:
            return _Found(f"has a gap or an overlap before the tensor {name!r}", _AGAIN)
        position = end
    if (held := len(data) - start) != position:
        kind = "is truncated" if held < position else "has bytes after its last tensor"
        return _Found(f"{kind}: {held:,} bytes of data, the header says {position:,}", _AGAIN)
    return None


def _no_twins(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name appears twice")
    return found


def _span(name: str, entry: Any) -> tuple[int, int, str]:
    begin, end = entry["data_offsets"]
    shape, bits = entry["shape"], _BITS.get(entry["dtype"])
    whole = [begin, end, *shape]
    if not all(type(number) is int and number >= 0 for number in whole):
        raise ValueError(f"tensor {name!r} has a size that is no whole number")
    if bits is None:
        raise ValueError(f"tensor {name!r} has the unknown type {str(entry['dtype'])[:20]!r}")
    wanted = math.prod(shape) * bits // 8
    if end - begin != wanted:
        raise ValueError(f"tensor {name!r} has {end - begin:,} bytes, its shape says {wanted:,}")
    return begin, end, name
