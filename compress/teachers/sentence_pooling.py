"""One vector of a text's tokens, as a folder of the sentence-transformers library says."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, assert_never

from torch import Tensor, nn

from compress.errors import InputError
from compress.teachers.transformers_files import MODULES, POOLING, read_json, read_list

Mode = Literal["mean", "cls", "max"]
_MODES: dict[str, Mode] = {"mean_tokens": "mean", "cls_token": "cls", "max_tokens": "max"}
_PREFIX = "pooling_mode_"
_PARTS = {"Transformer", "Pooling", "Normalize"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Pooling:
    """mode: over the tokens of a text, or its first one; normalize: to length one after that."""

    mode: Mode = "mean"
    normalize: bool = False


def pooling_of(folder: Path) -> Pooling:
    """What modules.json and 1_Pooling/config.json say; the plain mean where a folder has neither,
    as that library takes it.

    Raises InputError for parts and modes that are not reckoned here.
    """
    normalize = False
    if (folder / MODULES).is_file():
        parts = [_part(entry, folder) for entry in read_list(folder / MODULES)]
        unknown = [part for part in parts if part not in _PARTS]
        if unknown:
            raise InputError(
                f"has a part that is not known here: {', '.join(unknown)}",
                where=str(folder / MODULES),
                cure="write a factory of the whole module and use `kind: torch`",
            )
        normalize = "Normalize" in parts
    if not (folder / POOLING).is_file():
        return Pooling(normalize=normalize)
    settings = read_json(folder / POOLING)
    chosen = [
        key.removeprefix(_PREFIX)
        for key, value in settings.items()
        if key.startswith(_PREFIX) and value is True
    ]
    modes = [_MODES.get(one) for one in chosen]
    if len(modes) != 1 or modes[0] is None:
        raise InputError(
            f"pools by {' and '.join(chosen) or 'nothing'}; known are {', '.join(_MODES)}",
            where=str(folder / POOLING),
            cure="write a factory of the whole module and use `kind: torch`",
        )
    return Pooling(mode=modes[0], normalize=normalize)


def mean_pooled(hidden: Tensor, attention_mask: Tensor) -> Tensor:
    """The mean over the tokens of each text. (batch, tokens, width) -> (batch, width)."""
    weights = attention_mask.to(hidden.dtype)[:, :, None]
    return (hidden * weights).sum(1) / weights.sum(1).clamp(min=1.0)


class Sentences(nn.Module):
    """A transformers encoder and its pooling. (batch, tokens) twice -> (batch, width)."""

    def __init__(self, model: nn.Module, pooling: Pooling) -> None:
        super().__init__()
        self.model, self.pooling = model, pooling

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        answer = self.model(input_ids=input_ids, attention_mask=attention_mask)
        vectors = _pooled(answer.last_hidden_state, attention_mask, self.pooling.mode)
        return nn.functional.normalize(vectors, dim=-1) if self.pooling.normalize else vectors


def _pooled(hidden: Tensor, attention_mask: Tensor, mode: Mode) -> Tensor:
    match mode:
        case "mean":
            return mean_pooled(hidden, attention_mask)
        case "cls":
            return hidden[:, 0]
        case "max":
            padding = attention_mask[:, :, None] == 0
            return hidden.masked_fill(padding, float("-inf")).amax(1)
        case _ as never:
            assert_never(never)


def _part(entry: object, folder: Path) -> str:
    kind = entry.get("type") if isinstance(entry, dict) else None
    if not isinstance(kind, str):
        raise InputError("is damaged: no list of parts", where=str(folder / MODULES))
    return kind.rsplit(".", 1)[-1]
