"""Weights in 4 or 8 bits, a scale per block of 32; activations stay in float."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from compress.quantize.graph import Rewriter
from compress.quantize.linear import weight_of
from compress.quantize.products import products

if TYPE_CHECKING:
    from onnx import ModelProto

BLOCK = 32
_ACCURACY = 4  # onnxruntime may round activations to int8 inside each block: its fast kernels


def round_weights(
    model: ModelProto, *, bits: Literal[4, 8], but: Collection[str] = ()
) -> tuple[str, ...]:
    """Make products with a constant matrix MatMulNBits, in place; the names of their nodes.

    Asymmetric: scale and zero point of each block of 32 inputs and each output, which is what
    onnxruntime's kernels unpack. but: names of nodes that stay.
    """
    rewriter = Rewriter(model)
    done = []
    for product in products(model):
        if product.node in but or product.inputs_count < BLOCK:
            continue
        packed, scales, zeros = blocks(weight_of(rewriter, product).T, bits=bits)
        inputs = [
            product.source,
            rewriter.add(f"{product.weight}_int{bits}", packed),
            rewriter.add(f"{product.weight}_scale", scales),
            rewriter.add(f"{product.weight}_zero", zeros),
        ]
        plain = rewriter.name(f"{product.output}_product") if product.bias else product.output
        made = [
            rewriter.contrib(
                "MatMulNBits",
                inputs,
                plain,
                K=product.inputs_count,
                N=product.outputs_count,
                bits=bits,
                block_size=BLOCK,
                accuracy_level=_ACCURACY,
            )
        ]
        if product.bias:
            made.append(rewriter.node("Add", [plain, product.bias], product.output))
        maker = {node.output[0]: node for node in model.graph.node if node.output}
        for name in product.outputs[1:]:
            rewriter.replace(maker[name], [])
        rewriter.replace(maker[product.outputs[0]], made)
        done.append(product.node)
    rewriter.finish()
    return tuple(done)


def blocks(
    weight: NDArray[np.float32], *, bits: Literal[4, 8]
) -> tuple[NDArray[np.uint8], NDArray[np.float32], NDArray[np.uint8]]:
    """(outputs, inputs) to packed (outputs, blocks, 32 * bits / 8), scales (outputs, blocks) and
    zero points, packed by output. Two 4-bit numbers share a byte, the lower half first.

    Source: onnxruntime, docs/ContribOperators.md, com.microsoft.MatMulNBits.
    """
    outputs, inputs = weight.shape
    count = -(-inputs // BLOCK)
    padded = np.zeros((outputs, count * BLOCK), dtype=np.float32)
    padded[:, :inputs] = weight
    cut = padded.reshape(outputs, count, BLOCK)
    low, high = np.minimum(cut.min(axis=2), 0), np.maximum(cut.max(axis=2), 0)
    most = 2**bits - 1
    scales = np.where(high > low, (high - low) / most, 1.0).astype(np.float32)
    zeros = np.clip(np.rint(-low / scales), 0, most).astype(np.uint8)
    levels = np.rint(cut / scales[..., None]) + zeros[..., None]
    whole = np.clip(levels, 0, most).astype(np.uint8)
    if bits == 8:
        return whole, scales.reshape(outputs, count), zeros.reshape(outputs, count)
    packed = whole[..., 0::2] | (whole[..., 1::2] << 4)
    even = np.zeros((outputs, count + count % 2), dtype=np.uint8)
    even[:, :count] = zeros
    return packed, scales, even[:, 0::2] | (even[:, 1::2] << 4)
