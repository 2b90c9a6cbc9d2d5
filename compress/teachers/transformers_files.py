"""The files of a transformers folder: what they say, read as data and never run."""

from __future__ import annotations

import json
import shlex
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from compress.errors import InputError
from exporters.atomic import sha256_bytes, sha256_file

CONFIG, PREPROCESSOR = "config.json", "preprocessor_config.json"
MODULES, POOLING = "modules.json", "1_Pooling/config.json"  # of a sentence encoder
_LARGEST_JSON = 16 << 20  # bytes; more is no configuration
_BYTE = 1.0 / 255.0


def folder_digest(folder: Path) -> str:
    """SHA-256 over what decides the answers. Raises InputError for a folder that can't be used."""
    checked_config(folder)
    files = [*settings_files(folder), *weight_files(folder)]
    parts = "\n".join(f"{file.name} {sha256_file(file)}" for file in files)
    return sha256_bytes(f"transformers\n{parts}".encode())


def settings_files(folder: Path) -> list[Path]:
    """Those of its files, weights apart, that decide the answers."""
    names = (CONFIG, PREPROCESSOR, MODULES, POOLING)
    return [folder / name for name in names if (folder / name).is_file()]


def checked_config(folder: Path) -> dict[str, Any]:
    """config.json. Raises InputError without the library, and where it asks for code."""
    if find_spec("transformers") is None:
        raise InputError(
            "needs the package transformers, which is not installed",
            where="teacher.kind: transformers",
            cure="pip install 'distil[transformers]'",
        )
    if not folder.is_dir():
        cure = "give the folder that model.save_pretrained wrote"
        raise InputError(f"there is no folder {folder}", where="teacher.path", cure=cure)
    config = read_json(folder / CONFIG)
    if config.get("auto_map"):
        raise InputError(
            "asks for code of its own (auto_map), which is never run",
            where=str(folder / CONFIG),
            cure="write a factory of the module and use `kind: torch`",
        )
    return config


def read_json(path: Path) -> dict[str, Any]:
    """A mapping. Raises InputError for anything else."""
    value = _parsed(path)
    if not isinstance(value, dict):
        raise InputError("is damaged: no mapping", where=str(path), cure="copy it again")
    return value


def read_list(path: Path) -> list[Any]:
    """A list. Raises InputError for anything else."""
    value = _parsed(path)
    if not isinstance(value, list):
        raise InputError("is damaged: no list", where=str(path), cure="copy it again")
    return value


def _parsed(path: Path) -> Any:
    try:
        if path.stat().st_size > _LARGEST_JSON:
            raise InputError("is larger than any configuration", where=str(path))
        return json.loads(path.read_bytes())
    except OSError as error:
        cure = "give the folder that model.save_pretrained wrote"
        raise InputError(f"can't be read: {error.strerror}", where=str(path), cure=cure) from error
    except (ValueError, RecursionError) as error:
        raise InputError("is damaged: no JSON", where=str(path), cure="copy it again") from error


def weight_files(folder: Path) -> list[Path]:
    """The safetensors of a folder. Raises InputError where there are none."""
    found = sorted(folder.glob("model*.safetensors"))
    if found:
        return found
    pickles = sorted(folder.glob("*.bin")) + sorted(folder.glob("*.pt"))
    cure = "save it again with model.save_pretrained(folder)"
    if pickles:
        target = shlex.quote(str(folder / "model.safetensors"))
        cure = f"`distil convert {shlex.quote(str(pickles[0]))} {target}` reads it safely"
    what = "holds no model.safetensors" + (", and a pickle is never opened" if pickles else "")
    raise InputError(what, where=str(folder), cure=cure)


def normalisation(folder: Path) -> tuple[list[float], list[float]]:
    """Mean and standard deviation of the image processor; (0, 1) where it does nothing."""
    if not (folder / PREPROCESSOR).is_file():
        return [0.0], [1.0]
    processor = read_json(folder / PREPROCESSOR)
    factor = processor.get("rescale_factor", _BYTE) if processor.get("do_rescale", True) else 1.0
    if not isinstance(factor, int | float) or abs(factor - _BYTE) > 1e-6:
        raise InputError(
            f"rescales by {factor}, where images come in [0, 1]",
            where=str(folder / PREPROCESSOR),
            cure="use a factory of the module with `kind: torch` that does so itself",
        )
    if not processor.get("do_normalize", True):
        return [0.0], [1.0]
    mean, std = processor.get("image_mean", [0.5]), processor.get("image_std", [0.5])
    try:
        return [float(value) for value in mean], [float(value) for value in std]
    except (TypeError, ValueError) as error:
        where = str(folder / PREPROCESSOR)
        raise InputError("image_mean or image_std is no list of numbers", where=where) from error


def class_names(config: dict[str, Any]) -> tuple[str, ...] | None:
    """id2label in its order, where somebody wrote it: LABEL_0, LABEL_1, ... are the defaults."""
    labels = config.get("id2label")
    if not isinstance(labels, dict):
        return None
    try:
        names = tuple(str(labels[key]) for key in sorted(labels, key=int))
    except ValueError:
        return None
    if all(name == f"LABEL_{index}" for index, name in enumerate(names)):
        return None
    return names
