"""A transformers folder as a teacher: a classifier, or an encoder of sentences; offline."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from compress.errors import InputError
from compress.teachers.modules import module_teacher
from compress.teachers.sentence_pooling import Sentences, pooling_of
from compress.teachers.teacher import Teacher
from compress.teachers.transformers_files import (
    CONFIG,
    MODULES,
    POOLING,
    checked_config,
    class_names,
    normalisation,
    weight_files,
)


def transformers_teacher(folder: Path, *, digest: str) -> Teacher:
    """A classifier of the transformers library, with the normalisation of its image processor, or
    an encoder of text without a head, whose tokens are pooled as its folder says.

    The architecture is the first that config.json names, and one of the library itself. Raises
    InputError when the library is absent, the folder holds no safetensors or asks for code.
    """
    config = checked_config(folder)
    weight_files(folder)
    kind = _loaded_as(_architecture(config, folder), folder)
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
    absent = sorted(key for key in report["missing_keys"] if not _unused(model, str(key)))
    if absent:
        raise InputError(
            f"its weights lack {len(absent)} tensors ({', '.join(map(str, absent[:3]))}), which "
            "would be random",
            where=str(folder),
            cure="use a folder that was saved with its head, after training for these classes",
        )
    module = _wrapped(model, folder)
    return module_teacher(module, name=folder.name, digest=digest, classes=class_names(config))


def transformers_architecture(folder: Path) -> nn.Module:
    """The same network with random weights, from config.json alone. Raises InputError."""
    kind = _loaded_as(_architecture(checked_config(folder), folder), folder)
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


def _loaded_as(kind: Any, folder: Path) -> Any:
    """The encoder alone where the folder pools its tokens, whatever head it was trained with."""
    import transformers

    if not any((folder / name).is_file() for name in (MODULES, POOLING)):
        return kind
    return transformers.MODEL_MAPPING.get(kind.config_class, kind)


def _wrapped(model: Any, folder: Path) -> nn.Module:
    if _encodes_text(model):
        model.pooler = None  # of the next-sentence task, and in no answer
        return Sentences(model, pooling_of(folder))
    text = model.main_input_name == "input_ids"
    return _Text(model) if text else _Images(model, *normalisation(folder))


def _encodes_text(model: Any) -> bool:
    """Whether it has no head: by the library's naming, BertModel beside BertForMaskedLM."""
    return model.main_input_name == "input_ids" and type(model).__name__.endswith("Model")


def _unused(model: Any, key: str) -> bool:
    return _encodes_text(model) and key.startswith("pooler.")


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
            cure="use a classifier, such as one saved from AutoModelForImageClassification, or an "
            "encoder of text",
        )
    return logits


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
