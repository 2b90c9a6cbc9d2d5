"""Frozen dataclasses <-> JSON values, by their type hints; strict in both directions.

A small codec of our own and not pydantic: `distil gate` reads reports within its half second, and
importing pydantic alone takes a tenth of that.
"""

from __future__ import annotations

import dataclasses
import math
import types
import typing
from collections.abc import Callable, Hashable
from functools import cache
from pathlib import Path
from typing import Any, TypeVar, cast

from exporters.errors import DistilError, InputError

T = TypeVar("T")
Json = None | bool | int | float | str | list[Any] | dict[str, Any]


def to_json(value: object, *, where: str = "value") -> Json:
    """JSON value of a dataclass, tuple, dict, path or scalar.

    Raises DistilError with the key path for NaN, infinity, and what JSON can't hold.
    """
    if value is None or isinstance(value, (bool, str)):
        return value
    if type(value) is int:
        return value
    if type(value) is float:
        if not math.isfinite(value):
            raise DistilError(
                f"{value} can't be stored",
                where=where,
                cure="a number that is not known is None, and the report says why",
            )
        return value
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, (tuple, list)):
        if set(map(type, value)) == {int}:
            return list(value)  # latency samples: no call per number
        return [to_json(item, where=f"{where}[{i}]") for i, item in enumerate(value)]
    if isinstance(value, dict):
        for key in value:
            if not isinstance(key, str):
                raise DistilError(f"key {key!r} is no text", where=where, cure="use text keys")
        return {key: to_json(item, where=f"{where}.{key}") for key, item in value.items()}
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {
            f.name: to_json(getattr(value, f.name), where=f"{where}.{f.name}")
            for f in dataclasses.fields(value)
        }
    raise DistilError(
        f"a {type(value).__module__}.{type(value).__qualname__} can't be stored",
        where=where,
        cure="turn it into a plain number, text, list or dict first",
    )


def from_json(kind: type[T], data: object, *, where: str = "value") -> T:
    """The value of type `kind` that `to_json` was given. Raises InputError with the key path."""
    return cast(T, _decoder(cast(Hashable, kind))(data, where))


def map_strings(value: T, change: Callable[[str], str]) -> T:
    """The same value with every text in it, dict keys included, passed through `change`."""
    return cast(T, _map_strings(value, change))


def _map_strings(value: object, change: Callable[[str], str]) -> object:
    if isinstance(value, str):
        return change(value)
    if isinstance(value, (tuple, list)):
        if not value or type(value[0]) in (int, float):
            return value  # latency samples: many, and no text in them
        return type(value)(_map_strings(item, change) for item in value)
    if isinstance(value, dict):
        return {_map_strings(k, change): _map_strings(v, change) for k, v in value.items()}
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        changed = {
            f.name: _map_strings(getattr(value, f.name), change) for f in dataclasses.fields(value)
        }
        return dataclasses.replace(value, **changed)
    return value


Decoder = Callable[[object, str], object]


def _wrong(data: object, expected: str, where: str) -> InputError:
    shown = repr(data)
    shown = shown if len(shown) <= 60 else f"{shown[:57]}..."
    return InputError(
        f"expected {expected}, found {shown}",
        where=where,
        cure="run `distil run` again to renew it",
    )


@cache
def _decoder(kind: Any) -> Decoder:
    """One function per type, built once: decoding then follows no type hints at all."""
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if kind is Any:
        return lambda data, where: data
    if kind in (str, bool, int, float, type(None)):
        return _scalar(kind)
    if kind is Path:
        return lambda data, where: Path(cast(str, _scalar(str)(data, where)))
    if origin is typing.Literal:
        return _literal(arguments)
    if origin in (typing.Union, types.UnionType):
        return _union(tuple(_decoder(a) for a in arguments))
    if origin is tuple and len(arguments) == 2 and arguments[1] is Ellipsis:
        return _sequence(arguments[0])
    if origin is dict and arguments[0] is str:
        return _mapping(_decoder(arguments[1]))
    if dataclasses.is_dataclass(kind) and isinstance(kind, type):
        return _dataclass(kind)
    raise TypeError(f"no JSON form for {kind!r}")


def _scalar(kind: type) -> Decoder:
    expected = {str: "text", bool: "true or false", int: "an integer", float: "a number"}.get(
        kind, "null"
    )

    def decode(data: object, where: str) -> object:
        if type(data) is kind:
            return data
        if kind is float and type(data) is int:
            return float(data)
        raise _wrong(data, expected, where)

    return decode


def _literal(words: tuple[Any, ...]) -> Decoder:
    def decode(data: object, where: str) -> object:
        if data in words:
            return data
        raise _wrong(data, f"one of {', '.join(map(str, words))}", where)

    return decode


def _union(choices: tuple[Decoder, ...]) -> Decoder:
    def decode(data: object, where: str) -> object:
        refusal: InputError | None = None
        for choice in choices:
            try:
                return choice(data, where)
            except InputError as error:
                # The most specific refusal is the one that got deepest into the value.
                if refusal is None or len(error.where) > len(refusal.where):
                    refusal = error
        assert refusal is not None
        raise refusal

    return decode


def _sequence(item: Any) -> Decoder:
    decode_item = _decoder(item)

    def decode(data: object, where: str) -> object:
        if not isinstance(data, list):
            raise _wrong(data, "a list", where)
        if item is int and set(map(type, data)) <= {int}:
            return tuple(data)  # latency samples: no call per number
        return tuple(decode_item(value, f"{where}[{i}]") for i, value in enumerate(data))

    return decode


def _mapping(decode_item: Decoder) -> Decoder:
    def decode(data: object, where: str) -> object:
        if not isinstance(data, dict):
            raise _wrong(data, "a mapping", where)
        return {key: decode_item(value, f"{where}.{key}") for key, value in data.items()}

    return decode


def _dataclass(kind: type) -> Decoder:
    hints = typing.get_type_hints(kind)
    decoders = {f.name: _decoder(hints[f.name]) for f in dataclasses.fields(kind)}
    required = [
        f.name
        for f in dataclasses.fields(kind)
        if f.default is dataclasses.MISSING and f.default_factory is dataclasses.MISSING
    ]

    def decode(data: object, where: str) -> object:
        if not isinstance(data, dict):
            raise _wrong(data, "a mapping", where)
        for name in data:
            if name not in decoders:
                raise InputError(
                    f"unknown key {name!r}", where=where, cure="run `distil run` again to renew it"
                )
        for name in required:
            if name not in data:
                raise InputError(
                    f"key {name!r} is missing",
                    where=where,
                    cure="run `distil run` again to renew it",
                )
        return kind(
            **{name: decoders[name](value, f"{where}.{name}") for name, value in data.items()}
        )

    return decode
