"""Numbers of a verdict as text with units. Three digits, but as many as tell value from limit."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction

from benchmarks.values import Comparison, Setting
from compress.recipe.catalogue import Limit, Metric, Unit

Number = float | Fraction
_SIZES = ((1 << 20, "MiB"), (1 << 10, "KiB"), (1, "B"))
_TIMES = ((1.0, "s"), (1e-3, "ms"), (1e-6, "us"))


def plain(value: Number, digits: int = 3) -> str:
    """`digits` significant digits without an exponent; whole numbers below 1e15 in full."""
    number = float(value)
    if number == 0:
        return "0"
    if number == int(number) and abs(number) < 1e15:
        return f"{int(number):,}"
    rounded = float(f"{number:.{digits - 1}e}")
    decimals = max(0, digits - 1 - int(f"{rounded:e}".split("e")[1]))
    text = f"{rounded:,.{min(decimals, 12)}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def size(value: Number, digits: int = 3) -> str:
    """117 KiB, 2.71 MiB, 512 B."""
    exact = abs(Fraction(value))
    factor, unit = next((f, u) for f, u in _SIZES if exact >= f or f == 1)
    return f"{plain(Fraction(value) / factor, digits)} {unit}"


def duration(value: Number, digits: int = 3) -> str:
    """Seconds to 0.19 ms, 2.51 ms, 48 us, 1.3 s."""
    seconds = float(value)
    factor, unit = next((f, u) for f, u in _TIMES if abs(seconds) >= 0.1 * f or f == 1e-6)
    return f"{plain(seconds / factor, digits)} {unit}"


def percent(value: Number, digits: int = 3) -> str:
    """A fraction to 92.6 %."""
    return f"{plain(Fraction(value) * 100, digits)} %"


def points(value: Number, digits: int = 3) -> str:
    """A difference of fractions to -2.51 pp."""
    return f"{plain(Fraction(value) * 100, digits)} pp"


def times(value: Number, digits: int = 3) -> str:
    """13.2x."""
    return f"{plain(value, digits)}x"


WRITERS: dict[Unit, Callable[[Number, int], str]] = {
    "size": size,
    "duration": duration,
    "percent": percent,
    "count": plain,
    "number": plain,
}


def signed(text: str) -> str:
    """A plus where there is no minus."""
    return text if text.startswith("-") else f"+{text}"


def apart(write: Callable[[Number, int], str], value: Number, limit: Number) -> str:
    """`value` with as many digits as it takes to read differently from `limit`."""
    for digits in (3, 4, 5, 6, 8):
        text = write(value, digits)
        if value == limit or text != write(limit, digits):
            return text
    return write(value, 10)


def limit_text(metric: Metric, limit: Limit) -> str:
    """<= 12 MiB, >= 8x, >= -3.5 pp, <= +2 %; `max` and `min` in the unit that was written."""
    match limit.field:
        case "max" | "min":
            sign = "<=" if limit.field == "max" else ">="
            unit = limit.text.lstrip("+-.0123456789eE ").strip()
            written = f"{limit.text[: -len(unit)].strip()} {unit}" if unit else ""
            return f"{sign} {written or WRITERS[metric.unit](limit.value, 6)}"
        case "max_drop":
            return f">= {points(-limit.value, 6)}" if limit.value else ">= 0 pp"
        case "max_increase":
            return f"<= +{percent(limit.value, 6)}"
        case "max_ratio":
            return f"<= {times(limit.value, 6)}"
        case _:
            return f">= {times(limit.value, 6)}"


def setting_text(setting: Setting) -> str:
    """cpu, batch 1, 1 thread."""
    threads = "1 thread" if setting.threads == 1 else f"{setting.threads} threads"
    return f"{setting.device}, batch {setting.batch}, {threads}"


def detectable(found: Comparison) -> str:
    """The smallest change of speed that a comparison would have shown, or why none; empty for
    files with the same bytes."""
    if found.verdict == "identical":
        return ""
    if found.smallest_detectable is not None:
        return f"a change of {float(found.smallest_detectable) * 100:.1f} % could be seen"
    from benchmarks.stats import FEWEST_EPOCHS  # numpy: a gate without times starts sooner

    if len(found.log_ratios) < FEWEST_EPOCHS:
        return f"no change could be seen: {FEWEST_EPOCHS} epochs are the fewest"
    return "too noisy for any change to be seen"
