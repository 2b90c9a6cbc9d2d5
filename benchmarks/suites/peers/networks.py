"""The networks that quantizers are compared on; each reads the images of Fashion-MNIST.

`trained`: small networks, trained here for some epochs (the teacher is shipped), tested on all
10,000 images: they have an accuracy. `listed`: the image networks of tools/prune_networks.py in
their default sizes, at 224 pixels and with 1,000 random classes. Their weights are random, so what
can be told is how near their logits stay to those of the float file, and how fast they are. Deep
random networks answer nearly the same to every image: a head fitted to MobileNetV2's features had
46 % of ten classes right, and the noise of static int8 (cosine 0.9945) hid much of what tells
images apart. So neither right answers nor equal classes would say anything of a trained one.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from torch import Tensor, nn

ROOT = Path(__file__).resolve().parents[3]
CLASSES = 10
_CLASSES_LISTED = 1000  # the usual number; transformers' default of two leaves no angle to measure
_EXAMPLE = ROOT / "examples" / "fashion"
_MEAN, _DEVIATION = 0.286, 0.353  # of Fashion-MNIST


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """build: the network, weights from torch's generator. side: pixels of what it takes; 28: one
    channel in [0, 1], else three, normalised. tested: images. minutes: of the unit on one core of a
    server CPU of 2022."""

    kind: Literal["shipped", "trained", "listed"]
    build: Callable[[], nn.Module]
    side: int
    minutes: int
    depthwise: bool = False
    given: int = 1536  # images that every side has to calibrate and choose by
    tested: int = 10_000
    fitted: int = 20_000  # images that weights are trained on
    settings: Mapping[str, Any] = field(default_factory=dict)  # of the training


class Frame(nn.Module):
    """(n, 1, 28, 28) in [0, 1] to what networks of another size take: (n, 3, side, side)."""

    def __init__(self, side: int) -> None:
        super().__init__()
        self.side = side

    def forward(self, images: Tensor) -> Tensor:
        if self.side == images.shape[-1]:
            return images
        scaled = (images - _MEAN) / _DEVIATION
        size = (self.side, self.side)
        larger = nn.functional.interpolate(scaled, size=size, mode="bilinear", align_corners=False)
        return larger.expand(-1, 3, -1, -1).contiguous()


class Logits(nn.Module):
    """A network of transformers as a function of images that gives its logits."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, images: Tensor) -> Tensor:
        scores: Tensor = self.model(images).logits
        return scores


def example(name: str) -> Callable[[], nn.Module]:
    """A network of the Fashion-MNIST example, with the shipped weights where it is the teacher."""

    def build() -> nn.Module:
        from compress.recipe.targets import load_target
        from exporters.weights import load_into, load_weights

        module: nn.Module = load_target(f"model.py:{name}", _EXAMPLE)()
        if name == "teacher":
            load_into(module, load_weights(_EXAMPLE / "teacher.safetensors"))
        return module

    return build


def separable() -> nn.Module:
    """The depthwise family of students."""
    from compress.students.factories.images import ImageNet

    return ImageNet(
        "depthwise", channels=1, classes=CLASSES, widths=(64, 128), depth=2, stem=32, stride=2
    )


def reduced(family: str, **settings: Any) -> Callable[[], nn.Module]:
    """A network of transformers in a size that can be trained in minutes."""

    def build() -> nn.Module:
        import transformers

        config = getattr(transformers, f"{family}Config")(num_labels=CLASSES, **settings)
        return Logits(getattr(transformers, f"{family}ForImageClassification")(config))

    return build


def default_size(name: str) -> Callable[[], nn.Module]:
    """A network of tools/prune_networks.py."""

    def build() -> nn.Module:
        if str(ROOT / "tools") not in sys.path:
            sys.path.append(str(ROOT / "tools"))
        made: nn.Module = importlib.import_module("prune_networks").build(name)[0]
        place, last = [(n, m) for n, m in made.named_modules() if isinstance(m, nn.Linear)][-1]
        made.set_submodule(place, nn.Linear(last.in_features, _CLASSES_LISTED))
        return made

    return build


_ADAM = {"optimizer": "adamw", "learning_rate": 1e-3, "weight_decay": 0.05}


def _trained(
    build: Callable[[], nn.Module], side: int = 64, minutes: int = 10, **more: Any
) -> Entry:
    return Entry(kind="trained", build=build, side=side, minutes=minutes, **more)


def _listed(name: str, minutes: int, given: int, tested: int, **more: Any) -> Entry:
    return Entry(
        kind="listed",
        build=default_size(name),
        side=224,
        minutes=minutes,
        given=given,
        tested=tested,
        **more,
    )


NETWORKS: Mapping[str, Entry] = {
    "fashion-teacher": Entry(kind="shipped", build=example("teacher"), side=28, minutes=7),
    "fashion-student": _trained(example("student"), 28, 6),
    "fashion-best": _trained(example("student_best"), 28, 6),
    "separable": _trained(separable, 28, 6, depthwise=True),
    "resnet-small": _trained(
        reduced("ResNet", embedding_size=32, hidden_sizes=[64, 128, 256], depths=[2, 2, 2])
    ),
    "regnet-small": _trained(
        reduced(
            "RegNet",
            embedding_size=32,
            hidden_sizes=[64, 128, 256],
            depths=[1, 2, 2],
            groups_width=16,
        )
    ),
    "mobilenet-v2-small": _trained(
        reduced("MobileNetV2", depth_multiplier=0.5, image_size=64), depthwise=True
    ),
    "efficientnet-small": _trained(
        reduced(
            "EfficientNet",
            image_size=64,
            width_coefficient=0.5,
            depth_coefficient=0.5,
            hidden_dim=640,
            dropout_rate=0.1,
        ),
        depthwise=True,
    ),
    "convnext-small": _trained(
        reduced("ConvNext", hidden_sizes=[32, 64, 128], depths=[2, 2, 2], num_stages=3),
        depthwise=True,
        settings=_ADAM,
    ),
    "vit-small": _trained(
        reduced(
            "ViT",
            hidden_size=96,
            num_hidden_layers=3,
            num_attention_heads=4,
            intermediate_size=384,
            image_size=64,
            patch_size=8,
        ),
        settings=_ADAM,
    ),
    "swin-small": _trained(
        reduced(
            "Swin", embed_dim=32, depths=[2, 2], num_heads=[2, 4], window_size=4, image_size=64
        ),
        settings=_ADAM,
    ),
    "resnet-50": _listed("resnet-50", 14, 192, 512),
    "regnet-y-040": _listed("regnet-y-040", 14, 192, 512),
    "convnext-tiny": _listed("convnext-tiny", 16, 192, 512, depthwise=True),
    "mobilenet-v2": _listed("mobilenet-v2", 8, 192, 1024, depthwise=True),
    "efficientnet-b0": _listed("efficientnet-b0", 9, 192, 1024, depthwise=True),
    "vit-base": _listed("vit-base", 19, 96, 128),
    "deit-base": _listed("deit-base", 19, 96, 128),
    "swin-tiny": _listed("swin-tiny", 16, 192, 512),
}
