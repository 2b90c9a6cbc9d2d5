"""An encoder from the files of an installed package or a folder: config.json, model.safetensors."""

from __future__ import annotations

import json
from pathlib import Path

from torch import Tensor

from compress.errors import InputError
from compress.students.text.encoder import Encoder, EncoderConfig
from exporters.weights import load_into, load_weights

_UNUSED = ("pooler.", "embeddings.position_ids")


def load_encoder(folder: Path) -> Encoder:
    """The encoder in eval mode. InputError for another architecture, or weights that don't fit."""
    path = folder / "config.json"
    try:
        config = json.loads(path.read_bytes())
    except (OSError, ValueError) as exc:
        raise InputError("is no configuration of a model", where=str(path)) from exc
    if config.get("model_type") != "bert" or config.get("hidden_act") != "gelu":
        found = f"{config.get('model_type')} with {config.get('hidden_act')}"
        raise InputError(f"is {found}; bert with gelu is read here", where=str(path))
    encoder = Encoder(
        EncoderConfig(
            vocabulary=config["vocab_size"],
            width=config["hidden_size"],
            layers=config["num_hidden_layers"],
            heads=config["num_attention_heads"],
            inner=config["intermediate_size"],
            positions=config["max_position_embeddings"],
            types=config["type_vocab_size"],
            epsilon=config["layer_norm_eps"],
            dropout=config["hidden_dropout_prob"],
        )
    )
    weights: dict[str, Tensor] = {
        name: tensor
        for name, tensor in load_weights(folder / "model.safetensors").items()
        if not name.startswith(_UNUSED)
    }
    load_into(encoder, weights, where=str(folder / "model.safetensors"))
    return encoder.eval()
