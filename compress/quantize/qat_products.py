"""Convolutions, matrix products, pooling and normalisation of ONNX as torch functions."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor
from torch.nn import functional

from compress.quantize.qat_given import Attributes, Given, Operator, optional, refused, the


def _window(values: Tensor, attributes: Attributes, fill: float | None) -> tuple[Tensor, list[int]]:
    """The values and the padding that is left for torch, which pads both ends alike.

    fill: what other padding is filled with; None where it may not be.
    """
    spatial = values.ndim - 2
    if attributes.get("auto_pad", b"NOTSET") not in (b"NOTSET", b"VALID"):
        raise refused("padding that follows the size of its input (auto_pad)")
    pads = list(attributes.get("pads", [0] * (2 * spatial)))
    before, after = pads[:spatial], pads[spatial:]
    if before == after:
        return values, before
    if fill is None:
        raise refused("unequal padding of an average")
    pairs = [size for pair in zip(before[::-1], after[::-1], strict=True) for size in pair]
    return functional.pad(values, pairs, value=fill), [0] * spatial


def _conv(given: Given, attributes: Attributes) -> Tensor:
    values, weight = the(given[0]), the(given[1])
    spatial = weight.ndim - 2
    values, padding = _window(values, attributes, 0.0)
    convolve: Callable[..., Tensor] = (
        functional.conv1d,
        functional.conv2d,
        functional.conv3d,
    )[spatial - 1]
    return convolve(
        values,
        weight,
        optional(given, 2),
        stride=list(attributes.get("strides", [1] * spatial)),
        padding=padding,
        dilation=list(attributes.get("dilations", [1] * spatial)),
        groups=attributes.get("group", 1),
    )


def _conv_transpose(given: Given, attributes: Attributes) -> Tensor:
    values, weight = the(given[0]), the(given[1])
    spatial = weight.ndim - 2
    if "output_shape" in attributes:
        raise refused("a transposed convolution whose size is given")
    pads = list(attributes.get("pads", [0] * (2 * spatial)))
    if pads[:spatial] != pads[spatial:]:
        raise refused("unequal padding of a transposed convolution")
    convolve: Callable[..., Tensor] = (
        functional.conv_transpose1d,
        functional.conv_transpose2d,
        functional.conv_transpose3d,
    )[spatial - 1]
    return convolve(
        values,
        weight,
        optional(given, 2),
        stride=list(attributes.get("strides", [1] * spatial)),
        padding=pads[:spatial],
        output_padding=list(attributes.get("output_padding", [0] * spatial)),
        groups=attributes.get("group", 1),
        dilation=list(attributes.get("dilations", [1] * spatial)),
    )


def _gemm(given: Given, attributes: Attributes) -> Tensor:
    left, right, bias = the(given[0]), the(given[1]), optional(given, 2)
    left = left.t() if attributes.get("transA", 0) else left
    right = right if attributes.get("transB", 0) else right.t()
    alpha, beta = attributes.get("alpha", 1.0), attributes.get("beta", 1.0)
    if alpha == 1.0 and (bias is None or (beta == 1.0 and bias.ndim == 1)):
        return functional.linear(left, right, bias)
    product: Tensor = alpha * functional.linear(left, right)
    return product if bias is None else product + beta * bias


def _matmul(given: Given, attributes: Attributes) -> Tensor:
    return torch.matmul(the(given[0]), the(given[1]))


def _max_pool(given: Given, attributes: Attributes) -> Tensor:
    values, kernel = the(given[0]), list(attributes["kernel_shape"])
    spatial = len(kernel)
    values, padding = _window(values, attributes, float("-inf"))
    pool: Callable[..., Tensor] = (
        functional.max_pool1d,
        functional.max_pool2d,
        functional.max_pool3d,
    )[spatial - 1]
    return pool(
        values,
        kernel,
        stride=list(attributes.get("strides", [1] * spatial)),
        padding=padding,
        dilation=list(attributes.get("dilations", [1] * spatial)),
        ceil_mode=bool(attributes.get("ceil_mode", 0)),
    )


def _average_pool(given: Given, attributes: Attributes) -> Tensor:
    values, kernel = the(given[0]), list(attributes["kernel_shape"])
    spatial = len(kernel)
    counts_padding = bool(attributes.get("count_include_pad", 0))
    if any(size != 1 for size in attributes.get("dilations", ())):
        raise refused("a dilated average")
    values, padding = _window(values, attributes, 0.0 if counts_padding else None)
    pool: Callable[..., Tensor] = (
        functional.avg_pool1d,
        functional.avg_pool2d,
        functional.avg_pool3d,
    )[spatial - 1]
    return pool(
        values,
        kernel,
        stride=list(attributes.get("strides", [1] * spatial)),
        padding=padding,
        ceil_mode=bool(attributes.get("ceil_mode", 0)),
        count_include_pad=counts_padding,
    )


def _global_average(given: Given, attributes: Attributes) -> Tensor:
    values = the(given[0])
    return values.mean(dim=tuple(range(2, values.ndim)), keepdim=True)


def _global_max(given: Given, attributes: Attributes) -> Tensor:
    values = the(given[0])
    return values.amax(dim=tuple(range(2, values.ndim)), keepdim=True)


def _batch_normalization(given: Given, attributes: Attributes) -> Tensor:
    """As in inference: its statistics are those of the file."""
    values, scale, bias, mean, variance = (the(entry) for entry in given[:5])
    epsilon = attributes.get("epsilon", 1e-5)
    return functional.batch_norm(values, mean, variance, scale, bias, training=False, eps=epsilon)


def _layer_normalization(given: Given, attributes: Attributes) -> Tensor:
    values = the(given[0])
    axis = attributes.get("axis", -1) % values.ndim
    return functional.layer_norm(
        values,
        list(values.shape[axis:]),
        optional(given, 1),
        optional(given, 2),
        attributes.get("epsilon", 1e-5),
    )


PRODUCTS: Mapping[str, Operator] = {
    "AveragePool": _average_pool,
    "BatchNormalization": _batch_normalization,
    "Conv": _conv,
    "ConvTranspose": _conv_transpose,
    "Gemm": _gemm,
    "GlobalAveragePool": _global_average,
    "GlobalMaxPool": _global_max,
    "LayerNormalization": _layer_normalization,
    "MatMul": _matmul,
    "MaxPool": _max_pool,
}
