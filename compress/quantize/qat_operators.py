"""ONNX operators of image networks as torch functions, so that gradients pass through a file."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor
from torch.nn import functional

from compress.quantize.qat_given import Attributes, Given, Operator, refused, the
from compress.quantize.qat_products import PRODUCTS
from compress.quantize.qat_shapes import SHAPES

_TYPES = {1: torch.float32, 6: torch.int32, 7: torch.int64, 9: torch.bool, 11: torch.float64}


def operators() -> Mapping[str, Operator]:
    """By the name that ONNX gives them, as of opset 13 to 23."""
    return {**_POINTWISE, **_REDUCTIONS, **SHAPES, **PRODUCTS}


def _one(function: Callable[[Tensor], Tensor]) -> Operator:
    return lambda given, attributes: function(the(given[0]))


def _two(function: Callable[[Tensor, Tensor], Tensor]) -> Operator:
    return lambda given, attributes: function(the(given[0]), the(given[1]))


def _clip(given: Given, attributes: Attributes) -> Tensor:
    low, high = ([*given[1:], None, None])[:2]
    return torch.clamp(the(given[0]), low, high)


def _divide(left: Tensor, right: Tensor) -> Tensor:
    if left.is_floating_point():
        return left / right
    return torch.div(left, right, rounding_mode="trunc")


def _hard_sigmoid(given: Given, attributes: Attributes) -> Tensor:
    alpha, beta = attributes.get("alpha", 0.2), attributes.get("beta", 0.5)
    return torch.clamp(alpha * the(given[0]) + beta, 0.0, 1.0)


def _gelu(given: Given, attributes: Attributes) -> Tensor:
    approximate = attributes.get("approximate", b"none").decode()
    return functional.gelu(the(given[0]), approximate=approximate)


def _leaky(given: Given, attributes: Attributes) -> Tensor:
    return functional.leaky_relu(the(given[0]), attributes.get("alpha", 0.01))


def _elu(given: Given, attributes: Attributes) -> Tensor:
    return functional.elu(the(given[0]), attributes.get("alpha", 1.0))


def _prelu(given: Given, attributes: Attributes) -> Tensor:
    values, slope = the(given[0]), the(given[1])
    return torch.where(values < 0, slope * values, values)


def _softmax(given: Given, attributes: Attributes) -> Tensor:
    return torch.softmax(the(given[0]), dim=attributes.get("axis", -1))


def _log_softmax(given: Given, attributes: Attributes) -> Tensor:
    return torch.log_softmax(the(given[0]), dim=attributes.get("axis", -1))


def _cast(given: Given, attributes: Attributes) -> Tensor:
    kind = attributes["to"]
    if kind not in _TYPES:
        from onnx import TensorProto

        raise refused(f"no gradient passes through Cast to {TensorProto.DataType.Name(kind)}")
    return the(given[0]).to(_TYPES[kind])


def _where(given: Given, attributes: Attributes) -> Tensor:
    return torch.where(the(given[0]), the(given[1]), the(given[2]))


def _reduction(function: Callable[..., Tensor]) -> Operator:
    def reduce(given: Given, attributes: Attributes) -> Tensor:
        values, listed = the(given[0]), given[1] if len(given) > 1 else None
        axes = attributes.get("axes") if listed is None else listed.tolist()
        if not axes:
            if attributes.get("noop_with_empty_axes"):
                return values
            axes = list(range(values.ndim))
        return function(values, dim=tuple(axes), keepdim=bool(attributes.get("keepdims", 1)))

    return reduce


_POINTWISE: Mapping[str, Operator] = {
    "Abs": _one(torch.abs),
    "Add": _two(torch.add),
    "Cast": _cast,
    "Clip": _clip,
    "Div": _two(_divide),
    "Dropout": _one(lambda values: values),
    "Elu": _elu,
    "Equal": _two(torch.eq),
    "Erf": _one(torch.erf),
    "Exp": _one(torch.exp),
    "Gelu": _gelu,
    "HardSigmoid": _hard_sigmoid,
    "HardSwish": _one(functional.hardswish),
    "Identity": _one(lambda values: values),
    "LeakyRelu": _leaky,
    "Log": _one(torch.log),
    "LogSoftmax": _log_softmax,
    "Mish": _one(functional.mish),
    "Mul": _two(torch.mul),
    "Neg": _one(torch.neg),
    "PRelu": _prelu,
    "Pow": _two(torch.pow),
    "Reciprocal": _one(torch.reciprocal),
    "Relu": _one(torch.relu),
    "Sigmoid": _one(torch.sigmoid),
    "Softmax": _softmax,
    "Softplus": _one(functional.softplus),
    "Sqrt": _one(torch.sqrt),
    "Sub": _two(torch.sub),
    "Tanh": _one(torch.tanh),
    "Where": _where,
}

_REDUCTIONS: Mapping[str, Operator] = {
    "ReduceMax": _reduction(torch.amax),
    "ReduceMean": _reduction(torch.mean),
    "ReduceMin": _reduction(torch.amin),
    "ReduceSum": _reduction(torch.sum),
}
