"""What a stored result depends on, as a key that can say why it missed."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from exporters.atomic import sha256_bytes

if TYPE_CHECKING:
    from compress.store.index import Entry, Found, Index

Json = Any  # a JSON scalar, list or mapping: recursive, which JSON libraries type as Any too
_ABSENT: Final = object()
_SHOWN = 3  # changes named in a message; the rest is counted
_WIDTH = 40  # characters of a value in a message


@dataclass(frozen=True, slots=True)
class StageKey:
    """A stage and all that its result depends on. parts: JSON values, nested as needed.

    Key order does not matter; 1, 1.0 and True differ. Raises TypeError on anything but JSON.
    """

    stage: str
    parts: Mapping[str, Json]

    def __post_init__(self) -> None:
        object.__setattr__(self, "parts", plain(self.parts))

    @property
    def digest(self) -> str:
        """Hexadecimal SHA-256 of the canonical JSON."""
        return sha256_bytes(canonical({"stage": self.stage, "parts": self.parts}))


def canonical(value: Json) -> bytes:
    """The one way to write a JSON value: sorted keys, no spaces, ASCII. ValueError on NaN."""
    return json.dumps(
        plain(value), sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False
    ).encode("ascii")


def plain(value: Json, where: str = "parts") -> Json:
    """A copy of a JSON value in dicts and lists; TypeError names the first thing that is not JSON.

    `json` itself would turn the keys 1 and "1" into one, and so two results into one.
    """
    if value is None or isinstance(value, bool | str | int | float):
        return value
    if isinstance(value, Mapping):
        for name in value:
            if not isinstance(name, str):
                raise TypeError(f"{where}: the key {name!r} is no string")
        return {name: plain(item, f"{where}.{name}") for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item, f"{where}[{index}]") for index, item in enumerate(value)]
    raise TypeError(f"{where}: {type(value).__name__} is not JSON")


def explain_miss(key: StageKey, index: Index) -> str:
    """Why there is no result for key: 'first run', damage, or what changed since the nearest one.

    Nearest: fewest changed leaves, then the most recent.
    """
    return why_missed(key, index.find(key), index)


def why_missed(key: StageKey, found: Found, index: Index) -> str:
    """As explain_miss, after a look-up: what is damaged is moved aside by the first one."""
    return found.damage or explain_change(key, index.entries(stage=key.stage))


def explain_change(key: StageKey, entries: Iterable[Entry]) -> str:
    """'recipe.distill.epochs: 10 -> 12, versions.torch: ...' against the nearest of entries."""
    wanted = _leaves(key.parts)
    nearest: list[tuple[tuple[str | int, ...], object, object]] | None = None
    for entry in sorted(entries, key=lambda item: item.created_at, reverse=True):
        if entry.stage != key.stage:
            continue
        changes = _changes(_leaves(entry.parts), wanted)
        if nearest is None or len(changes) < len(nearest):
            nearest = changes
    if nearest is None:
        return "first run"
    if not nearest:
        return "the stored result is gone"
    shown = [f"{_dotted(path)}: {_brief(old)} -> {_brief(new)}" for path, old, new in nearest]
    more = len(shown) - _SHOWN
    return ", ".join(shown[:_SHOWN]) + (f", and {more} more" if more > 0 else "")


def _leaves(value: Json, path: tuple[str | int, ...] = ()) -> dict[tuple[str | int, ...], Json]:
    if isinstance(value, Mapping) and value:
        items: Iterable[tuple[str | int, Json]] = value.items()
    elif isinstance(value, list | tuple) and value:
        items = enumerate(value)
    else:
        return {path: value}
    return {key: leaf for name, item in items for key, leaf in _leaves(item, (*path, name)).items()}


def _changes(
    old: dict[tuple[str | int, ...], Json], new: dict[tuple[str | int, ...], Json]
) -> list[tuple[tuple[str | int, ...], object, object]]:
    paths = sorted(old.keys() | new.keys(), key=lambda path: [str(step) for step in path])
    pairs = ((path, old.get(path, _ABSENT), new.get(path, _ABSENT)) for path in paths)
    return [item for item in pairs if _differ(item[1], item[2])]


def _differ(old: object, new: object) -> bool:
    # As the key does: 1 and 1.0 and True are different JSON.
    return type(old) is not type(new) or old != new


def _dotted(path: tuple[str | int, ...]) -> str:
    text = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path)
    return _one_line(text.removeprefix("."))


def _brief(value: object) -> str:
    if value is _ABSENT:
        return "absent"
    text = value if isinstance(value, str) else json.dumps(value)
    if len(text) == 64 and all(letter in "0123456789abcdef" for letter in text):
        return text[:12]
    text = _one_line(text)
    return text if len(text) <= _WIDTH else text[: _WIDTH - 3] + "..."


def _one_line(text: str) -> str:
    return text.encode("unicode_escape").decode("ascii")
