"""The integers follow the processor."""

from __future__ import annotations

import numpy as np
import pytest

from compress.quantize.linear import activation_levels
from compress.quantize.scheme import Int8Scheme, scheme_for


@pytest.mark.parametrize(
    ("flags", "activations", "weight_bits"),
    [
        (("avx2", "avx512f", "avx512_vnni"), "uint8", 8),
        (("avx2", "avx_vnni"), "uint8", 8),
        (("avx2", "fma"), "uint8", 7),
        (("asimd", "asimddp"), "int8", 8),
        ((), "uint8", 7),
    ],
)
def test_scheme_follows_the_flags(
    flags: tuple[str, ...], activations: str, weight_bits: int
) -> None:
    found = scheme_for(flags)
    assert found == Int8Scheme(activations=activations, weight_bits=weight_bits)  # type: ignore[arg-type]


@pytest.mark.parametrize("device", ["cuda", "tensorrt"])
@pytest.mark.parametrize("flags", [("avx2", "avx512_vnni"), ("avx2",), ("asimd",), ()])
def test_a_gpu_takes_signed_symmetric_integers_whatever_the_processor(
    device: str, flags: tuple[str, ...]
) -> None:
    found = scheme_for(flags, device)
    assert found == Int8Scheme(activations="int8", weight_bits=8, symmetric=True)


def test_symmetric_levels_have_no_offset_and_reach_the_larger_side() -> None:
    """-1 to 4: 4 is level 127, and -1 level -32."""
    step, zero = activation_levels(-1.0, 4.0, scheme_for((), "tensorrt"))
    assert (step, zero) == (pytest.approx(4 / 127), 0)
    assert zero.dtype == np.int8
