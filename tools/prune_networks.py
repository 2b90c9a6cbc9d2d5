"""Architectures of the transformers package, with random weights: what `prune_table.py` prunes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn


@dataclass(frozen=True, kw_only=True)
class Network:
    """config, model: names in transformers. settings: what a default is replaced by, which makes it
    the usual size of its name; small: on top of them, for tests. kind: what it takes."""

    config: str
    model: str
    kind: str  # images, text, audio
    settings: Mapping[str, Any]
    small: Mapping[str, Any]


_TEXT_SMALL = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 64,
    "vocab_size": 120,
}
_VIT_SMALL = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 64,
    "image_size": 32,
    "patch_size": 8,
}

NETWORKS: Mapping[str, Network] = {
    "resnet-50": Network(
        config="ResNetConfig",
        model="ResNetForImageClassification",
        kind="images",
        settings={},
        small={"embedding_size": 8, "hidden_sizes": [32, 64], "depths": [2, 2]},
    ),
    "regnet-y-040": Network(
        config="RegNetConfig",
        model="RegNetForImageClassification",
        kind="images",
        settings={},
        small={
            "embedding_size": 8,
            "hidden_sizes": [32, 64],
            "depths": [2, 2],
            "groups_width": 16,
        },
    ),
    "convnext-tiny": Network(
        config="ConvNextConfig",
        model="ConvNextForImageClassification",
        kind="images",
        settings={},
        small={"hidden_sizes": [16, 32], "depths": [1, 2], "num_stages": 2},
    ),
    "mobilenet-v2": Network(
        config="MobileNetV2Config",
        model="MobileNetV2ForImageClassification",
        kind="images",
        settings={},
        small={"depth_multiplier": 0.25, "image_size": 32},
    ),
    "efficientnet-b0": Network(
        config="EfficientNetConfig",
        model="EfficientNetForImageClassification",
        kind="images",
        settings={
            "image_size": 224,
            "width_coefficient": 1.0,
            "depth_coefficient": 1.0,
            "hidden_dim": 1280,
            "dropout_rate": 0.2,
        },
        small={
            "kernel_sizes": [3, 5],
            "in_channels": [32, 16],
            "out_channels": [16, 24],
            "depthwise_padding": [],
            "strides": [1, 2],
            "num_block_repeats": [1, 2],
            "expand_ratios": [1, 6],
        },
    ),
    "vit-base": Network(
        config="ViTConfig",
        model="ViTForImageClassification",
        kind="images",
        settings={},
        small=_VIT_SMALL,
    ),
    "deit-base": Network(
        config="DeiTConfig",
        model="DeiTForImageClassification",
        kind="images",
        settings={},
        small=_VIT_SMALL,
    ),
    "swin-tiny": Network(
        config="SwinConfig",
        model="SwinForImageClassification",
        kind="images",
        settings={},
        small={
            "embed_dim": 16,
            "depths": [2, 2],
            "num_heads": [2, 4],
            "window_size": 4,
            "image_size": 32,
            "patch_size": 4,
        },
    ),
    "bert-base": Network(
        config="BertConfig",
        model="BertForSequenceClassification",
        kind="text",
        settings={},
        small=_TEXT_SMALL,
    ),
    "distilbert": Network(
        config="DistilBertConfig",
        model="DistilBertForSequenceClassification",
        kind="text",
        settings={},
        small={"dim": 32, "n_layers": 2, "n_heads": 4, "hidden_dim": 64, "vocab_size": 120},
    ),
    "mobilebert": Network(
        config="MobileBertConfig",
        model="MobileBertForSequenceClassification",
        kind="text",
        settings={},
        small={
            "hidden_size": 64,
            "intra_bottleneck_size": 32,
            "embedding_size": 16,
            "num_hidden_layers": 2,
            "intermediate_size": 64,
            "vocab_size": 120,
        },
    ),
    "roberta-base": Network(
        config="RobertaConfig",
        model="RobertaForSequenceClassification",
        kind="text",
        settings={},
        small=_TEXT_SMALL,
    ),
    "electra-small": Network(
        config="ElectraConfig",
        model="ElectraForSequenceClassification",
        kind="text",
        settings={},
        small={**_TEXT_SMALL, "embedding_size": 16},
    ),
    "wav2vec2-base": Network(
        config="Wav2Vec2Config",
        model="Wav2Vec2ForSequenceClassification",
        kind="audio",
        settings={},
        small={
            "hidden_size": 32,
            "num_hidden_layers": 2,
            "num_attention_heads": 4,
            "intermediate_size": 64,
            "conv_dim": [16, 16, 16],
            "conv_stride": [5, 4, 4],
            "conv_kernel": [10, 4, 4],
            "num_conv_pos_embeddings": 8,
            "num_conv_pos_embedding_groups": 4,
            "num_feat_extract_layers": 3,
            "classifier_proj_size": 16,
        },
    ),
}


class Logits(nn.Module):
    """The network as a function of one tensor that gives its logits."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, values: Tensor) -> Tensor:
        scores: Tensor = self.model(values).logits
        return scores


class TextLogits(Logits):
    """The same of token ids and their mask."""

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:  # type: ignore[override]
        scores: Tensor = self.model(input_ids=input_ids, attention_mask=attention_mask).logits
        return scores


def build(name: str, *, small: bool = False, seed: int = 0) -> tuple[nn.Module, tuple[str, ...]]:
    """The network in eval mode with random weights, and the names of its inputs."""
    import transformers

    network = NETWORKS[name]
    settings = {**network.settings, **(network.small if small else {})}
    torch.manual_seed(seed)
    config = getattr(transformers, network.config)(**settings)
    model = getattr(transformers, network.model)(config)
    names: dict[str, tuple[str, ...]] = {
        "images": ("pixel_values",),
        "text": ("input_ids", "attention_mask"),
        "audio": ("input_values",),
    }
    if network.kind == "images":
        _settle(model)
    wrapper = TextLogits if network.kind == "text" else Logits
    return wrapper(model).eval(), names[network.kind]


def _settle(model: nn.Module) -> None:
    """Statistics of batch norms for the weights that are there: with those of a new network the
    answers of a deep one vanish, and their parity says nothing."""
    norms = [part for part in model.modules() if isinstance(part, nn.BatchNorm2d)]
    for part in model.modules():
        if isinstance(part, nn.Conv2d):
            nn.init.kaiming_normal_(part.weight, nonlinearity="relu")
    if norms:
        before = [part.momentum for part in norms]
        for part in norms:
            part.momentum = 1.0  # the statistics of this batch alone
        with torch.no_grad():
            model.train()(torch.randn(8, 3, 64, 64))
        for part, momentum in zip(norms, before, strict=True):
            part.momentum = momentum


def inputs(name: str, *, rows: int, small: bool = False, seed: int = 0) -> tuple[Tensor, ...]:
    """Random samples: images of the network's size, texts of 128 tokens, one second of sound."""
    network = NETWORKS[name]
    draw = torch.Generator().manual_seed(seed)
    makers: dict[str, Callable[[], tuple[Tensor, ...]]] = {
        "images": lambda: (torch.randn(rows, 3, *(2 * (_side(network, small),)), generator=draw),),
        "text": lambda: (
            torch.randint(5, 100, (rows, 16 if small else 128), generator=draw),
            torch.ones(rows, 16 if small else 128, dtype=torch.int64),
        ),
        "audio": lambda: (torch.randn(rows, 800 if small else 16000, generator=draw),),
    }
    return makers[network.kind]()


def _side(network: Network, small: bool) -> int:
    if not small:
        return 224
    return int(network.small.get("image_size", 64))
