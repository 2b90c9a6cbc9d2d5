"""Numbers as text with their units, the same in terminal, Markdown and HTML."""

from __future__ import annotations


def significant(value: float, digits: int = 3) -> str:
    """`digits` significant digits, no exponent, thousands separated: 2.51, 0.19, 12,400."""
    if value == 0:
        return "0"
    rounded = float(f"{value:.{digits - 1}e}")
    decimals = max(0, digits - 1 - int(f"{rounded:e}".split("e")[1]))
    return f"{rounded:,.{decimals}f}"


def milliseconds(ms: float) -> str:
    """0.19 ms, 2.51 ms, 48.0 us, 1.32 s."""
    if abs(ms) < 0.1:
        return f"{significant(ms * 1000)} us"
    return f"{significant(ms)} ms" if abs(ms) < 1000 else f"{significant(ms / 1000)} s"


def size(size_bytes: float) -> str:
    """512 B, 117 KiB, 2.71 MiB, 1.20 GiB."""
    if abs(size_bytes) < 1024:
        return f"{size_bytes:,.0f} B"
    value, units = float(size_bytes), iter(("KiB", "MiB", "GiB", "TiB"))
    unit = "B"
    while abs(value) >= 1023.5 and unit != "TiB":
        value, unit = value / 1024, next(units)
    return f"{significant(value)} {unit}"


def percent(fraction: float, decimals: int = 2) -> str:
    """92.61 %."""
    return f"{fraction * 100:.{decimals}f} %"


def points(difference: float, decimals: int = 2) -> str:
    """-2.51 pp, +0.30 pp: a difference of two fractions."""
    return f"{difference * 100:+.{decimals}f} pp"


def per_second(value: float) -> str:
    """5,260 /s."""
    return f"{significant(value)} /s"


def count(value: int) -> str:
    """10,000."""
    return f"{value:,}"


def seconds(value: float) -> str:
    """0.3 s, 12 s, 2 min 4 s, 1 h 5 min."""
    if value < 9.95:
        return f"{value:.1f} s"
    whole = round(value)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def times(ratio: float) -> str:
    """13.2x, 1.04x, 148x."""
    return f"{significant(ratio)}x"


def times_less(reference: float, value: float, less: str, more: str) -> str:
    """How many times less (or more) value is than reference: "23.7x smaller"."""
    if value <= 0 or reference <= 0:
        return ""
    if significant(value) == significant(reference):
        return "the same"
    if value < reference:
        return f"{times(reference / value)} {less}"
    return f"{times(value / reference)} {more}"
