"""The one door for ONNX files: what comes out is checked, contained and described."""

from __future__ import annotations

import hashlib
import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING

from exporters import facts
from exporters.atomic import sha256_bytes, sha256_file
from exporters.contain import external_file, is_external
from exporters.errors import DistilError, InputError, RefusedModel
from exporters.sniff import looks_like, why_unreadable
from exporters.tensors import check_stored_size, stored_tensors
from exporters.values import OnnxArtifact
from exporters.wellformed import check_graph, check_text, check_versions, standard_opset

if TYPE_CHECKING:
    from onnx import ModelProto

_LARGEST = 2**31 - 1  # protobuf's limit for one message


def open_artifact(path: str | os.PathLike[str]) -> OnnxArtifact:
    """Check an ONNX file that nobody vouches for, and read what it is.

    Nothing outside its folder is opened, no tensor is allocated from its claims, no code of it
    runs; onnxruntime never sees it here. size_bytes and digest cover external data; without any,
    digest is the SHA-256 of the file. Raises InputError (no such file) or RefusedModel, both
    naming the place and the cure.
    """
    place = Path(os.path.abspath(path))
    where = os.fsdecode(path)
    try:
        return _open(place)
    except DistilError as exc:
        if exc.where:
            raise
        raise type(exc)(exc.what, where=where, cure=exc.cure) from exc
    except (UnicodeDecodeError, ValueError, OverflowError) as exc:
        # protobuf's Python side: a name that is not UTF-8, a number out of its field's range.
        what = f"damaged ONNX model: {_first_line(exc)}"
        raise RefusedModel(what, where=where, cure="copy it again") from exc


def read_proto(path: str | os.PathLike[str]) -> ModelProto:
    """The protobuf of a file, its external data left alone. Raises as open_artifact does."""
    return _parse(_read(Path(path)))


def _open(path: Path) -> OnnxArtifact:
    data = _read(path)
    model = _parse(data)
    check_text(model)
    check_versions(model)
    external: set[Path] = set()
    for held in stored_tensors(model):
        if is_external(held):
            external.add(external_file(held, path.parent))
        else:
            check_stored_size(held)
    check_graph(model)
    _check_with_onnx(path if external else data)
    return OnnxArtifact(
        path=path,
        digest=_digest(data, external, path.parent),
        size_bytes=len(data) + sum(file.stat().st_size for file in external),
        opset=standard_opset(model),
        ir_version=model.ir_version,
        inputs=facts.inputs(model.graph),
        outputs=facts.outputs(model.graph),
        precision=facts.precision(model),
        parameters=facts.parameters(model),
    )


def _read(path: Path) -> bytes:
    try:
        found = path.stat()
        if stat.S_ISDIR(found.st_mode):
            raise InputError("is a folder", cure="give the .onnx file inside")
        if not stat.S_ISREG(found.st_mode):  # a pipe would block, a device would never end
            raise InputError("is no plain file", cure="give an .onnx file")
        if found.st_size > _LARGEST:
            with path.open("rb") as stream:
                looks = looks_like(stream.read(4096))
            what = looks.what if looks else "larger than 2 GiB, which no ONNX file can be"
            raise RefusedModel(what, cure=looks.cure if looks else "store its weights beside it")
        return path.read_bytes()
    except FileNotFoundError as exc:
        raise InputError("no such file", cure="check the path") from exc
    except (OSError, ValueError) as exc:  # ValueError: a NUL in the path
        reason = getattr(exc, "strerror", None) or str(exc)
        raise InputError(f"can't be read: {reason}", cure="check the path and its rights") from exc


def _parse(data: bytes) -> ModelProto:
    if looks := looks_like(data):
        raise RefusedModel(looks.what, cure=looks.cure)
    from onnx import ModelProto

    model = ModelProto()
    try:
        model.ParseFromString(data)
    except Exception as exc:  # DecodeError, of whichever protobuf backend is there
        looks = why_unreadable(data)
        raise RefusedModel(looks.what, cure=looks.cure) from exc
    return model


def _check_with_onnx(model: Path | bytes) -> None:
    from onnx import checker

    try:
        checker.check_model(os.fspath(model) if isinstance(model, Path) else model)
    except Exception as exc:  # its C++ side raises many kinds; each means the same here
        what = f"not a valid ONNX model: {_first_line(exc)}"
        raise RefusedModel(what, cure="export it again") from exc


def _digest(data: bytes, external: set[Path], folder: Path) -> str:
    if not external:
        return sha256_bytes(data)
    whole = hashlib.sha256(sha256_bytes(data).encode())
    for file in sorted(external):
        whole.update(f"\n{file.relative_to(folder)} {sha256_file(file)}".encode(errors="replace"))
    return whole.hexdigest()


def _first_line(exc: BaseException, limit: int = 200) -> str:
    lines = [line.strip() for line in str(exc).splitlines() if line.strip()]
    text = lines[0] if lines else type(exc).__name__
    return text.encode("ascii", "backslashreplace").decode()[:limit]
