"""What a search looks at in an untrained module: its operators, and numbers as training gives."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from compress.search.predict import TABLE, Operator


def operators_of(module: nn.Module, example: Sequence[Tensor]) -> tuple[Operator, ...]:
    """Convolutions and products of one sample, by their shapes. A module that was made on torch's
    meta device, with some of its tensors elsewhere, is moved there whole: nothing is computed."""
    if any(tensor.is_meta for tensor in module.parameters()):
        module, example = module.to("meta"), [tensor.to("meta") for tensor in example]
    found: list[Operator] = []

    def note(layer: nn.Module, inputs: Any, output: Tensor) -> None:
        weight = layer.weight
        assert isinstance(weight, Tensor)
        groups = int(getattr(layer, "groups", 1))
        outputs = output.numel() // len(example[0])
        per_output = weight[0].numel()
        kind = "linear" if isinstance(layer, nn.Linear) else "conv"
        found.append(
            Operator(
                kind="depthwise" if groups > 1 else kind,
                macs=outputs * per_output,
                outputs=outputs,
                parameters=weight.numel(),
            )
        )

    hooks = [
        layer.register_forward_hook(note)
        for layer in module.modules()
        if isinstance(layer, nn.Linear | nn.Conv1d | nn.Conv2d)
    ]
    tables = [layer for layer in module.modules() if isinstance(layer, nn.Embedding)]
    try:
        with torch.no_grad():
            module.eval()(*example)
    finally:
        for hook in hooks:
            hook.remove()
    rows = sum(table.weight.numel() for table in tables)
    if rows:
        found.append(Operator(kind=TABLE, macs=0, outputs=0, parameters=rows))
    return tuple(found)


def as_if_trained(module: nn.Module) -> nn.Module:
    """The module with different numbers where a new one has equal ones: normalisation that does
    nothing, and biases of zero, are folded away or shared, and the file is smaller than later."""
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for name, tensor in [*module.named_parameters(), *module.named_buffers()]:
            if tensor.is_floating_point() and tensor.ndim == 1:
                shift = 0.1 * torch.rand(tensor.shape, generator=generator)
                tensor.add_(shift if name.endswith("var") else shift - 0.05)
    return module
