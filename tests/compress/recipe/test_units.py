"""Numbers with written units: exact both ways, and an error that says what to write."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from compress.recipe import units

FRACTIONS = st.floats(min_value=0, max_value=1, allow_nan=False)
RATIOS = st.floats(min_value=1e-9, max_value=1e9, allow_nan=False)


@given(st.integers(min_value=0, max_value=10**18))
def test_a_size_reads_back_as_the_same_bytes(size: int) -> None:
    assert units.parse_size(units.format_size(size)) == size


@given(FRACTIONS)
def test_fractions_read_back_bit_for_bit(fraction: float) -> None:
    assert units.parse_percent(units.format_percent(fraction)) == fraction
    assert units.parse_percentage_points(units.format_percentage_points(fraction)) == fraction


@given(RATIOS)
def test_ratios_and_durations_read_back_bit_for_bit(value: float) -> None:
    assert units.parse_ratio(units.format_ratio(value)) == value
    assert units.parse_speedup(units.format_ratio(value)) == value
    assert units.parse_duration(units.format_duration(value)) == value
    assert units.parse_count(units.format_count(value)) == value


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("12MiB", 12582912),
        ("12 MiB", 12582912),
        ("12MB", 12000000),
        ("1.5kB", 1500),
        ("300KiB", 307200),
        (" 7B ", 7),
        ("1e3B", 1000),
        ("0B", 0),
        ("1.2MiB", 1258291),
    ],
)
def test_sizes_in_bytes(text: str, size: int) -> None:
    assert units.parse_size(text) == size


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("15ms", 0.015), ("250us", 0.00025), ("60s", 60.0), ("2min", 120.0), (".5s", 0.5)],
)
def test_durations_in_seconds(text: str, seconds: float) -> None:
    assert units.parse_duration(text) == seconds


def test_points_percent_and_times_are_fractions_and_ratios() -> None:
    assert units.parse_percentage_points("3.5pp") == 0.035
    assert units.parse_percent("2 %") == 0.02
    assert units.parse_speedup("8x") == 8.0
    assert units.parse_ratio("0.35") == units.parse_ratio(0.35) == units.parse_ratio("0.35x")


@pytest.mark.parametrize(
    ("parse", "value", "said"),
    [
        (units.parse_size, "12", "write 12MiB"),
        (units.parse_size, 12, "write 12MiB"),
        (units.parse_size, "12mib", "write 12MiB"),
        (units.parse_size, "12GB", "units that fit: B, kB, MB, KiB, MiB"),
        (units.parse_size, "15ms", "does not fit here"),
        (units.parse_size, "-1MiB", "negative"),
        (units.parse_size, "1e300MiB", "too large"),
        (units.parse_size, True, "not a number"),
        (units.parse_size, "MiB", "not a number"),
        (units.parse_size, "inf MiB", "not a number"),
        (units.parse_size, "1_0MiB", "does not exist"),
        (units.parse_size, "\u0661MiB", "not a number"),  # a digit, though no ASCII one
        (units.parse_duration, "15", "write 15ms"),
        (units.parse_percent, "2", "write 2%"),
        (units.parse_percent, "2pp", "units that fit: %"),
        (units.parse_percentage_points, "1%", "units that fit: pp"),
        (units.parse_percentage_points, "101pp", "more than 100pp"),
        (units.parse_speedup, 8, "write 8x"),
        (units.parse_speedup, "0x", "above 0"),
        (units.parse_count, "5x", "units that fit: none"),
    ],
)
def test_a_wrong_or_missing_unit_says_what_to_write(
    parse: Callable[[object], float], value: object, said: str
) -> None:
    with pytest.raises(ValueError, match=r"\w") as caught:
        parse(value)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("kind", "text", "value", "dumped"),
    [
        (units.SizeBytes, "1024 KiB", 1048576, "1MiB"),
        (units.PercentagePoints, "0.5pp", 0.005, "0.5pp"),
        (units.Percent, "2 %", 0.02, "2%"),
        (units.Ratio, 0.35, 0.35, "0.35x"),
        (units.Speedup, "8x", 8.0, "8x"),
        (units.Duration, "1500us", 0.0015, "1.5ms"),
    ],
)
def test_types_become_plain_numbers_and_dump_as_text(
    kind: object, text: object, value: float, dumped: str
) -> None:
    adapter: TypeAdapter[float] = TypeAdapter(kind)
    assert adapter.validate_python(text) == value
    assert adapter.dump_python(value) == dumped
    assert adapter.validate_python(dumped) == value
