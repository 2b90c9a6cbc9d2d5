"""A left side in two steps: to levels, and what these leave to finer levels of its own.

The sum of both products takes the left side for what it is to 16 bits. Where int8 has instructions
of its own, two int8 products cost less than one in float, so a product that is sensitive to the
rounding of its left side need not go back to float. The weights stay in 8 bits.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from compress.quantize.scheme import Int8Scheme

if TYPE_CHECKING:
    from onnx import NodeProto

    from compress.quantize.graph import Rewriter

_LEVELS = 255


def rounded_rest(
    rewriter: Rewriter,
    before: list[NodeProto],
    current: str,
    first: tuple[str, str, str],
    *,
    step: np.float32,
    scheme: Int8Scheme,
) -> tuple[str, str, str]:
    """What the first levels (integers, scale, zero point) leave of a tensor, as the same three.

    step: of the first levels, which is split into 255 here.
    """
    unsigned = scheme.activations == "uint8"
    scale = rewriter.add(f"{current}_rest_scale", np.float32(step / _LEVELS))
    zero = rewriter.add(f"{current}_rest_zero", np.uint8(128) if unsigned else np.int8(0))
    seen, rest, integers = (
        rewriter.name(f"{current}_{part}") for part in ("seen", "rest", "rest_int8")
    )
    before += [
        rewriter.node("DequantizeLinear", first, seen),
        rewriter.node("Sub", [current, seen], rest),
        rewriter.node("QuantizeLinear", [rest, scale, zero], integers),
    ]
    return integers, scale, zero


def joined(
    rewriter: Rewriter, first: NodeProto, rest: NodeProto, out: str
) -> tuple[NodeProto, NodeProto, NodeProto]:
    """Both products, and their sum under the name `out`."""
    for node, part in ((first, "first"), (rest, "rest")):
        node.output[0] = rewriter.name(f"{out}_{part}")
        node.name = node.output[0]
    return first, rest, rewriter.node("Add", [first.output[0], rest.output[0]], out)
