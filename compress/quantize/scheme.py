"""Which integers an int8 file holds, by what the processor or the GPU that runs it takes."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal

_VNNI = frozenset({"avx512_vnni", "avx_vnni", "amx_int8"})
_ARM = frozenset({"asimd", "asimddp", "neon", "i8mm", "sve"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Int8Scheme:
    """Weights are always signed and symmetric, one scale per output channel. symmetric: of
    activations, whose zero point is 0."""

    activations: Literal["uint8", "int8"]
    weight_bits: Literal[7, 8]
    symmetric: bool = False


def scheme_for(cpu_flags: Collection[str], device: str = "cpu") -> Int8Scheme:
    """The scheme for a processor with these flags (names of /proc/cpuinfo), or for a GPU: device
    is `cuda` or `tensorrt`, which takes signed, symmetric activations alone.

    x86 with VNNI: unsigned activations; signed ones fall off the fast kernels and are no faster
    than float. Without VNNI, pairs of products are added in 16 bits and saturate, which 7-bit
    weights avoid. ARM: signed activations. Unknown: 7-bit weights, which are right everywhere.

    On a processor signed activations keep their zero point: with it at 0 (symmetric), half of the
    range after a ReLU is lost, and the ReLU stays a float node between two conversions (6 of 9
    convolutions of a small residual network), which onnxruntime otherwise folds into the rounding.
    Source: onnxruntime.quantization.quantize_static, "Choosing parameters for CPU inference".
    """
    if device != "cpu":
        return Int8Scheme(activations="int8", weight_bits=8, symmetric=True)
    flags = frozenset(cpu_flags)
    if flags & _VNNI:
        return Int8Scheme(activations="uint8", weight_bits=8)
    if flags & _ARM:
        return Int8Scheme(activations="int8", weight_bits=8)
    return Int8Scheme(activations="uint8", weight_bits=7)
