"""The toy task and its networks, as the project's own values."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import torch
import toy
from torch import Tensor, nn

from compress.tasks.assemble import Parts, assemble
from compress.tasks.augment import Augmentation
from compress.tasks.data import Task

CLASSES = toy.CLASSES


def toy_task(*, train: int = 300, pad: int = 0, classes: tuple[str, ...] = CLASSES) -> Task:
    return assemble(
        Parts(
            name="toy",
            where="toy",
            train=toy.images(train, seed=1),
            validation=toy.images(60, seed=2),
            test=toy.images(60, seed=3),
            classes=classes,
        ),
        augmentation=Augmentation(pad_pixels=pad),
        seed=0,
    )


class Linear(nn.Module):
    """Right on nearly all of the toy task; `order` permutes its classes."""

    def __init__(self, *, scale: float = 1.0, order: tuple[int, ...] = (0, 1, 2)) -> None:
        super().__init__()
        self.head = nn.Linear(64, 3)
        with torch.no_grad():
            self.head.weight.copy_(torch.from_numpy(toy.weights())[list(order)] * scale)
            self.head.bias.zero_()

    def forward(self, images: Tensor) -> Tensor:
        scores: Tensor = self.head(images.flatten(1))
        return scores


def linear_onnx(
    path: Path,
    *,
    shape: tuple[int | str, ...] = (1, 8, 8),
    batch: int | str = "n",
    dtype: int = 1,
    outputs: int = 1,
    softmax: bool = False,
) -> None:
    """The linear classifier as an ONNX file that another framework might have written."""
    from onnx import TensorProto, helper, numpy_helper, save

    kind = np.float32 if dtype == TensorProto.FLOAT else np.float64
    nodes = [
        helper.make_node("Flatten", ["pixels"], ["flat"]),
        helper.make_node("Gemm", ["flat", "w"], ["raw"], transB=1),
        helper.make_node("Softmax" if softmax else "Identity", ["raw"], ["scores"]),
    ]
    named = [helper.make_tensor_value_info("scores", dtype, [batch, 3])]
    if outputs == 2:
        nodes.append(helper.make_node("Relu", ["flat"], ["features"]))
        named.insert(0, helper.make_tensor_value_info("features", dtype, [batch, 64]))
    sizes = [size for size in shape if isinstance(size, int)]
    copies = math.prod(sizes) // 64 if len(sizes) == len(shape) else 1
    weights = np.tile(toy.weights(), (1, copies)).astype(kind)
    graph = helper.make_graph(
        nodes,
        "linear",
        [helper.make_tensor_value_info("pixels", dtype, [batch, *shape])],
        named,
        [numpy_helper.from_array(weights, "w")],
    )
    opset = [helper.make_opsetid("", 17)]
    save(helper.make_model(graph, opset_imports=opset, ir_version=9), path)


def dense(count: int, classes: int, seed: int) -> np.ndarray:
    """Random logits with a few large ones in each row."""
    return (np.random.default_rng(seed).normal(size=(count, classes)) * 3).astype(np.float32)
