"""Parameters of a module and the multiply-accumulates of one forward pass."""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

# torch's counter leaves out the attention that torch runs on a CPU.
_CPU_ATTENTION = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu


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
    counted = {_CPU_ATTENTION: _attention}
    with torch.no_grad(), FlopCounterMode(display=False, custom_mapping=counted) as counter:
        twin(*example)
    return int(counter.get_total_flops()) // (2 * len(example[0]))


def _attention(
    query: Sequence[int], key: Sequence[int], value: Sequence[int], *rest: object, **named: object
) -> int:
    pairs = math.prod(query[:-1]) * key[-2]
    return 2 * pairs * (query[-1] + value[-1])
