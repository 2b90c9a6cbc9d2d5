"""Numbers with written units: text in recipes, plain bytes, seconds and fractions in memory.

Every type dumps back to text with its unit, exactly, so that a dumped node can be read again.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, PlainSerializer, WithJsonSchema

_NUMBER = re.compile(r"([+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d{1,3})?)\s*(\S*)", re.ASCII)

SIZES: Mapping[str, Decimal] = {
    "B": Decimal(1),
    "kB": Decimal(1000),
    "MB": Decimal(1000_000),
    "KiB": Decimal(1024),
    "MiB": Decimal(1024 * 1024),
}
DURATIONS: Mapping[str, Decimal] = {
    "us": Decimal("1e-6"),
    "ms": Decimal("1e-3"),
    "s": Decimal(1),
    "min": Decimal(60),
}
PERCENT: Mapping[str, Decimal] = {"%": Decimal("0.01")}
PERCENTAGE_POINTS: Mapping[str, Decimal] = {"pp": Decimal("0.01")}
TIMES: Mapping[str, Decimal] = {"x": Decimal(1)}
RATIO: Mapping[str, Decimal] = {"x": Decimal(1), "": Decimal(1)}
COUNT: Mapping[str, Decimal] = {"": Decimal(1)}
_LARGEST = Decimal(10**18)  # far above every real limit; keeps 1e999B from being worked with
_ALL = tuple({**SIZES, **DURATIONS, **PERCENT, **PERCENTAGE_POINTS, **TIMES})


def parse_quantity(value: object, units: Mapping[str, Decimal], *, example: str) -> Decimal:
    """The number that `value` writes, in base units. Raises ValueError that shows `example`."""
    readable = isinstance(value, (str, int, float)) and not isinstance(value, bool)
    match = _NUMBER.fullmatch(str(value).strip()) if readable else None
    if match is None:
        raise ValueError(f"{_shown(value)} is not a number with a unit; write it like {example}")
    number, unit = Decimal(match[1]), match[2]
    if unit not in units:
        raise ValueError(_wrong_unit(value, match[1], unit, units, example))
    if number < 0:
        raise ValueError(f"{_shown(value)} is negative; write it like {example}")
    if number * units[unit] > _LARGEST:
        raise ValueError(f"{_shown(value)} is too large; write it like {example}")
    return number * units[unit]


def _wrong_unit(
    value: object, number: str, unit: str, units: Mapping[str, Decimal], example: str
) -> str:
    fitting = ", ".join(name or "none" for name in units)
    if unit == "":
        default = example.lstrip("0123456789.")
        return f"{_shown(value)} has no unit ({fitting}); write {number}{default}, if that is meant"
    near = [name for name in units if name and name.casefold() == unit.casefold()]
    if near:
        return f"no unit {unit!r}; write {number}{near[0]}"
    kind = "does not fit here" if unit in _ALL else "does not exist"
    return f"the unit {unit[:20]!r} {kind}; units that fit: {fitting}, such as {example}"


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 40 else text[:37] + "..."


def parse_size(text: object) -> int:
    """Bytes; what is less than a byte is dropped. '12MiB' -> 12582912, '1.2MiB' -> 1258291."""
    size = parse_quantity(text, SIZES, example="12MiB")
    return int(size)


def parse_duration(text: object, *, example: str = "15ms") -> float:
    """Seconds. '15ms' -> 0.015."""
    return float(parse_quantity(text, DURATIONS, example=example))


def parse_percent(text: object) -> float:
    """A fraction. '2%' -> 0.02."""
    return float(parse_quantity(text, PERCENT, example="2%"))


def parse_percentage_points(text: object) -> float:
    """A difference of two fractions, at most 1. '3.5pp' -> 0.035."""
    points = parse_quantity(text, PERCENTAGE_POINTS, example="1pp")
    if points > 1:
        raise ValueError(f"{_shown(text)} is more than 100pp; write it like 1pp")
    return float(points)


def parse_ratio(text: object) -> float:
    """A ratio above 0, with or without its x. '0.35x' -> 0.35, 0.35 -> 0.35."""
    return _above_zero(text, parse_quantity(text, RATIO, example="0.35x"))


def parse_speedup(text: object) -> float:
    """A ratio above 0 that must be written with its x. '8x' -> 8.0."""
    return _above_zero(text, parse_quantity(text, TIMES, example="8x"))


def parse_count(text: object) -> float:
    """A plain number without a unit. '1e6' -> 1000000.0."""
    return float(parse_quantity(text, COUNT, example="100000"))


def _above_zero(text: object, number: Decimal) -> float:
    if number <= 0:
        raise ValueError(f"{_shown(text)} must be above 0; write it like 2.5x")
    return float(number)


def _plain(number: Decimal) -> str:
    """Shortest decimal text without an exponent; exact."""
    text = format(number, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def format_size(size_bytes: int) -> str:
    """The largest binary unit that is exact. 12582912 -> '12MiB'; parse_size gives it back."""
    for unit in ("MiB", "KiB"):
        if size_bytes and size_bytes % int(SIZES[unit]) == 0:
            return f"{size_bytes // int(SIZES[unit])}{unit}"
    return f"{size_bytes}B"


def format_duration(seconds: float) -> str:
    """0.015 -> '15ms'; parse_duration gives the same float back."""
    exact = Decimal(repr(seconds))
    unit = "s" if seconds == 0 or seconds >= 1 else "ms" if seconds >= 1e-3 else "us"
    return f"{_plain(exact / DURATIONS[unit])}{unit}"


def format_percent(fraction: float) -> str:
    """0.02 -> '2%'; parse_percent gives the same float back."""
    return f"{_plain(Decimal(repr(fraction)) * 100)}%"


def format_percentage_points(fraction: float) -> str:
    """0.035 -> '3.5pp'; parse_percentage_points gives the same float back."""
    return f"{_plain(Decimal(repr(fraction)) * 100)}pp"


def format_ratio(ratio: float) -> str:
    """2.5 -> '2.5x'; parse_ratio gives the same float back."""
    return f"{_plain(Decimal(repr(ratio)))}x"


def format_count(number: float) -> str:
    """1000000.0 -> '1000000'."""
    return _plain(Decimal(repr(number)))


def _reader(parse: Callable[[object], Any]) -> BeforeValidator:
    return BeforeValidator(parse)


def _schema(units: str, example: str, *, bare: bool = False) -> WithJsonSchema:
    number = r"\d+(\.\d*)?([eE][+-]?\d+)?|\.\d+"
    text: dict[str, Any] = {
        "type": "string",
        "pattern": rf"^\s*({number})\s*({units}){'?' if bare else ''}\s*$",
        "examples": [example],
    }
    shape = {"anyOf": [text, {"type": "number", "exclusiveMinimum": 0}]} if bare else text
    return WithJsonSchema(shape)


def _limit_text(value: object) -> object:
    """A bare number keeps its digits: whether it needs a unit is known with the metric."""
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return _plain(Decimal(repr(value)))
    return value


def _duration_text(value: object) -> object:
    if parse_duration(value, example="60s") <= 0:
        raise ValueError(f"{_shown(value)} must be above 0; write it like 60s")
    return value


Text = Annotated[str, Field(min_length=1, max_length=4096)]
LimitText = Annotated[
    Text,
    BeforeValidator(_limit_text),
    WithJsonSchema({"type": ["string", "number"], "examples": ["12MiB", "15ms", "90%"]}),
]
SizeBytes = Annotated[
    int, _reader(parse_size), PlainSerializer(format_size), _schema("B|kB|MB|KiB|MiB", "12MiB")
]
Duration = Annotated[
    float,
    _reader(parse_duration),
    PlainSerializer(format_duration),
    _schema("us|ms|s|min", "15ms"),
]
DurationText = Annotated[Text, BeforeValidator(_duration_text), _schema("us|ms|s|min", "60s")]
Percent = Annotated[
    float, _reader(parse_percent), PlainSerializer(format_percent), _schema("%", "2%")
]
PercentagePoints = Annotated[
    float,
    _reader(parse_percentage_points),
    PlainSerializer(format_percentage_points),
    _schema("pp", "1pp"),
]
Ratio = Annotated[
    float,
    _reader(parse_ratio),
    PlainSerializer(format_ratio),
    _schema("x", "0.35x", bare=True),
]
Speedup = Annotated[
    float, _reader(parse_speedup), PlainSerializer(format_ratio), _schema("x", "8x")
]
