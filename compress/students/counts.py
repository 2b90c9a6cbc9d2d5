"""Parameters of a module and the multiply-accumulates of one forward pass."""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode


def count_parameters(module: nn.Module) -> int:
    """Elements of all parameters; one that is shared counts once. Buffers don't count."""
    return sum(parameter.numel() for parameter in module.parameters())


def count_macs(module: nn.Module, *example: Tensor) -> int:
    """Multiply-accumulates per sample of convolutions, products and attention; biases are free.

    example: (batch, ...) tensors, as for inference; of text, the multiply-accumulates are those of
    its length. The module is left as it was. torch-pruning's counter
    adds ReLU, BatchNorm and biases, so that its number belongs to no file; torch's counts two
    floating-point operations per multiply-accumulate.
    """
    twin = copy.deepcopy(module).eval()
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        twin(*example)
    return int(counter.get_total_flops()) // (2 * len(example[0]))
