"""Which multiple of channels is fast: the decision from a table, and that one is measured."""

from __future__ import annotations

import pytest

from compress.prune.block import WIDTHS, block_of, measure_block

FREE = {width: float(width**2) for width in WIDTHS}


@pytest.mark.parametrize(
    ("times", "block"),
    [
        (FREE, 1),
        # Padded to 16, as on AVX-512 (docs: 17 channels cost 1.8x of 16).
        ({**FREE, 8: 16.0**2, 17: 32.0**2, 24: 32.0**2}, 16),
        ({**FREE, 17: 24.0**2}, 8),
        ({**FREE, 17: 32.0**2, 24: 32.0**2, 48: 64.0**2}, 32),
    ],
)
def test_the_block_is_the_smallest_whose_widths_are_not_padded(
    times: dict[int, float], block: int
) -> None:
    assert block_of("conv", times) == block


def test_products_cost_by_the_channel() -> None:
    assert block_of("gemm", {width: float(width) for width in WIDTHS}) == 1
    assert block_of("gemm", {**{w: float(w) for w in WIDTHS}, 17: 24.0}) == 8


def test_a_table_is_measured_by_the_clock_that_is_given() -> None:
    """Every look at this clock costs one nanosecond: all widths take the same, so that wide layers
    are the fastest per channel."""
    ticks = iter(range(10**6))
    found = measure_block("gemm", rounds=2, clock_ns=lambda: next(ticks))
    assert set(found.median_us) == set(WIDTHS)
    assert set(found.median_us.values()) == {1 / 8 / 1000}
    assert found.channels == 16
    assert "17 channels take 1.00x the time of 16" in found.reason
