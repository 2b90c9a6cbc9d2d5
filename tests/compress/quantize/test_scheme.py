"""The integers follow the processor."""

from __future__ import annotations

import pytest

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
