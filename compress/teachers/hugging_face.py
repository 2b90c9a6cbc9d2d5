"""A transformers folder as a teacher: config.json and safetensors, offline, no code of its own."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from compress.errors import InputError
from compress.teachers.modules import module_teacher
from compress.teachers.teacher import Teacher
from exporters.atomic import sha256_bytes, sha256_file

CONFIG, PREPROCESSOR = "config.json", "preprocessor_config.json"
_LARGEST_JSON = 16 << 20  # bytes; more is no configuration
_BYTE = 1.0 / 255.0


def folder_digest(folder: Path) -> str:
    """SHA-256 over what decides the answers. Raises InputError for a folder that can't be used."""
    _checked_config(folder)
    files = [folder / CONFIG, *_weights(folder)]
    if (folder / PREPROCESSOR).is_file():
        files.append(folder / PREPROCESSOR)
    parts = "\n".join(f"{file.name} {sha256_file(file)}" for file in files)
    return sha256_bytes(f"transformers\n{parts}".encode())


def transformers_teacher(folder: Path, *, digest: str) -> Teacher:
    """A classifier of the transformers library, with the normalisation of its image processor.

    The architecture is the first that config.json names, and one of the library itself. Raises
    InputError when the library is absent, the folder holds no safetensors or asks for code.
    """
    config = _checked_config(folder)
    _weights(folder)
    kind = _architecture(config, folder)
    with _quiet():
        try:
            model, report = kind.from_pretrained(
                folder,
                local_files_only=True,
                trust_remote_code=False,
                use_safetensors=True,
                attn_implementation="eager",
                dtype=torch.float32,
                output_loading_info=True,
            )
        except (OSError, ValueError, RuntimeError, KeyError, TypeError) as error:
            said = " ".join(str(error).split())[:300]
            cure = "save it again with model.save_pretrained(folder)"
            raise InputError(f"can't be loaded: {said}", where=str(folder), cure=cure) from error
    absent = sorted(report["missing_keys"])
    if absent:
        raise InputError(
            f"its weights lack {len(absent)} tensors ({', '.join(map(str, absent[:3]))}), which "
            "would be random",
            where=str(folder),
            cure="use a folder that was saved with its head, after training for these classes",
        )
    module = _wrapped(model, folder)
    return module_teacher(module, name=folder.name, digest=digest, classes=_class_names(config))


def transformers_architecture(folder: Path) -> nn.Module:
    """The same network with random weights, from config.json alone. Raises InputError."""
    kind = _architecture(_checked_config(folder), folder)
    with _quiet():
        try:
            config = kind.config_class.from_pretrained(folder, local_files_only=True)
            model = kind._from_config(config, attn_implementation="eager", dtype=torch.float32)
        except (OSError, ValueError, RuntimeError, KeyError, TypeError) as error:
            said = " ".join(str(error).split())[:300]
            raise InputError(f"can't be built: {said}", where=str(folder / CONFIG)) from error
    return _wrapped(model, folder).train()


def _architecture(config: dict[str, Any], folder: Path) -> Any:  # Any: a class of transformers
    """The first architecture that config.json names."""
    import transformers

    names = config.get("architectures") or []
    kind = getattr(transformers, str(names[0]), None) if names else None
    if kind is None or not issubclass(kind, transformers.PreTrainedModel):
        raise InputError(
            f"names the architecture {names[0]!a}" if names else "names no architecture",
            where=str(folder / CONFIG),
            cure=f"it must be one of transformers {transformers.__version__}",
        )
    return kind


def _wrapped(model: Any, folder: Path) -> nn.Module:
    text = model.main_input_name == "input_ids"
    return _Text(model) if text else _Images(model, *_normalisation(folder))


class _Text(nn.Module):
    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        return _logits(self.model(input_ids=input_ids, attention_mask=attention_mask))


class _Images(nn.Module):
    """Takes images in [0, 1] and does what the image processor does after that."""

    mean: Tensor
    std: Tensor

    def __init__(self, model: nn.Module, mean: list[float], std: list[float]) -> None:
        super().__init__()
        self.model = model
        self.register_buffer("mean", torch.tensor(mean).view(1, -1, 1, 1))
        self.register_buffer("std", torch.tensor(std).view(1, -1, 1, 1))

    def forward(self, pixel_values: Tensor) -> Tensor:
        return _logits(self.model(pixel_values=(pixel_values - self.mean) / self.std))


def _logits(answer: Any) -> Tensor:
    logits = getattr(answer, "logits", None)
    if not isinstance(logits, Tensor):
        raise InputError(
            f"the model answers with {type(answer).__name__}, which has no logits",
            where="teacher.path",
            cure="use a classifier, such as one saved from AutoModelForImageClassification",
        )
    return logits


def _checked_config(folder: Path) -> dict[str, Any]:
    if find_spec("transformers") is None:
        raise InputError(
            "needs the package transformers, which is not installed",
            where="teacher.kind: transformers",
            cure="pip install 'distil[transformers]'",
        )
    if not folder.is_dir():
        cure = "give the folder that model.save_pretrained wrote"
        raise InputError(f"there is no folder {folder}", where="teacher.path", cure=cure)
    config = _json(folder / CONFIG)
    if config.get("auto_map"):
        raise InputError(
            "asks for code of its own (auto_map), which is never run",
            where=str(folder / CONFIG),
            cure="write a factory of the module and use `kind: torch`",
        )
    return config


def _json(path: Path) -> dict[str, Any]:
    try:
        if path.stat().st_size > _LARGEST_JSON:
            raise InputError("is larger than any configuration", where=str(path))
        value = json.loads(path.read_bytes())
    except OSError as error:
        cure = "give the folder that model.save_pretrained wrote"
        raise InputError(f"can't be read: {error.strerror}", where=str(path), cure=cure) from error
    except (ValueError, RecursionError) as error:
        raise InputError("is damaged: no JSON", where=str(path), cure="copy it again") from error
    if not isinstance(value, dict):
        raise InputError("is damaged: no mapping", where=str(path), cure="copy it again")
    return value


def _weights(folder: Path) -> list[Path]:
    found = sorted(folder.glob("model*.safetensors"))
    if found:
        return found
    pickles = sorted(folder.glob("*.bin")) + sorted(folder.glob("*.pt"))
    cure = "save it again with model.save_pretrained(folder)"
    if pickles:
        cure = f"`distil convert {pickles[0]} {folder / 'model.safetensors'}` reads it safely"
    what = "holds no model.safetensors" + (", and a pickle is never opened" if pickles else "")
    raise InputError(what, where=str(folder), cure=cure)


def _normalisation(folder: Path) -> tuple[list[float], list[float]]:
    """Mean and standard deviation of the image processor; (0, 1) where it does nothing."""
    if not (folder / PREPROCESSOR).is_file():
        return [0.0], [1.0]
    processor = _json(folder / PREPROCESSOR)
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


def _class_names(config: dict[str, Any]) -> tuple[str, ...] | None:
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


@contextmanager
def _quiet() -> Iterator[None]:
    """No bars and no advice of the library on the user's terminal."""
    from transformers.utils import logging as theirs

    level, bars = theirs.get_verbosity(), theirs.is_progress_bar_enabled()
    theirs.set_verbosity(logging.CRITICAL)
    theirs.disable_progress_bar()
    try:
        yield
    finally:
        theirs.set_verbosity(level)
        if bars:
            theirs.enable_progress_bar()
