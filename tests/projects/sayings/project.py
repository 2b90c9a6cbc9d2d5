"""A user's own texts and networks: short sayings of animals, food and motion, by their words."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import torch
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers
from torch import nn

from compress.students.text.encoder import Encoder, EncoderConfig, TextClassifier, TextEmbedder
from compress.students.text.static import StaticEncoder

TOPICS = {
    "animal": ["dog", "cat", "horse", "whale", "sparrow", "wolf", "otter", "lizard", "spider"],
    "food": ["bread", "soup", "apple", "cheese", "noodle", "pepper", "honey", "onion", "rice"],
    "motion": ["run", "climb", "swim", "jump", "crawl", "drift", "march", "slide", "wander"],
}
FILLER = ["a", "the", "of", "small", "large", "old", "very", "that", "one", "near", "with", "often"]
WORDS = [word for words in TOPICS.values() for word in words] + FILLER
SPECIAL = ["[PAD]", "[UNK]"]


def write_data(folder: Path, *, rows: int = 900) -> None:
    """table.csv and tokenizer.json; a saying has 3 to 12 words, one or two of its topic."""
    random = np.random.default_rng(0)
    with (folder / "table.csv").open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["saying", "topic"])
        for _ in range(rows):
            topic = list(TOPICS)[int(random.integers(3))]
            words = [*random.choice(FILLER, int(random.integers(2, 11)))]
            for word in random.choice(TOPICS[topic], int(random.integers(1, 3))):
                words.insert(int(random.integers(len(words) + 1)), word)
            writer.writerow([" ".join(words) + ", you see", topic])
    vocabulary = {word: index for index, word in enumerate([*SPECIAL, *WORDS])}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.enable_padding(pad_id=0, pad_token="[PAD]")
    tokenizer.save(str(folder / "tokenizer.json"))


def teacher() -> nn.Module:
    """Knows which topic a word is of: 0.98 right, as its head is turned a little."""
    vectors = torch.zeros(len(SPECIAL) + len(WORDS), 3)
    for topic, words in enumerate(TOPICS.values()):
        vectors[[len(SPECIAL) + WORDS.index(word) for word in words], topic] = 10.0
    module = TextClassifier(StaticEncoder(vectors), width=3, classes=3)
    with torch.no_grad():
        module.head.weight.copy_(3.0 * torch.eye(3) + 0.2)
        module.head.bias.zero_()
    return module


def embedder() -> nn.Module:
    """24 numbers per token: its topic's own and a little of the word itself."""
    random = torch.Generator().manual_seed(0)
    vectors = torch.randn(len(SPECIAL) + len(WORDS), 24, generator=random)
    scale = torch.linspace(1.5, 0.2, 24)
    for topic, words in enumerate(TOPICS.values()):
        vectors[[len(SPECIAL) + WORDS.index(word) for word in words], topic] += 4.0
    return TextEmbedder(StaticEncoder(vectors * scale))


def narrow_embedder() -> nn.Module:
    """8 numbers per token, untrained."""
    return TextEmbedder(StaticEncoder(torch.randn(len(SPECIAL) + len(WORDS), 8)))


def student() -> nn.Module:
    config = EncoderConfig(
        vocabulary=len(SPECIAL) + len(WORDS), width=32, layers=2, heads=4, inner=64, positions=32
    )
    return TextClassifier(Encoder(config), width=32, classes=3)
