"""YAML and TOML text to plain values, with the place of every key and value.

YAML is the 1.2 core schema without tags, so `1e-3` is a number and `on` is text. The tree is
built from parser events with a stack of its own: depth, aliases and what they expand to are
bounded before anything is built, and no tag ever constructs an object.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from compress.errors import InputError, RecipeError
from compress.recipe.scalars import plain_value
from compress.recipe.toml_places import toml_places

MAX_BYTES = 1 << 20
MAX_DEPTH = 50
MAX_ALIASES = 100
MAX_VALUES = 100_000  # after aliases are expanded: 9 levels of 9 aliases stay below MAX_ALIASES

KeyPath = tuple[str | int, ...]
_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_TAGS = {None, "!", *(f"tag:yaml.org,2002:{name}" for name in ("str", "seq", "map"))}


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """What a file says. places: key path -> (line, column), both from 1."""

    path: Path
    text: str
    value: Any
    places: Mapping[KeyPath, tuple[int, int]] = field(repr=False)

    def where(self, path: KeyPath) -> str:
        """`recipe.yaml:4:10`, of the longest part of `path` that has a place."""
        for length in range(len(path), -1, -1):
            if path[:length] in self.places:
                line, column = self.places[path[:length]]
                return f"{self.path}:{line}:{column}"
        return str(self.path)


def read_document(path: Path) -> Document:
    """YAML, or TOML by the file's ending. Raises InputError, RecipeError (with the place)."""
    text = read_text(path)
    if path.suffix.lower() == ".toml":
        return _read_toml(path, text)
    value, places = parse_yaml(text, name=str(path))
    return Document(path=path, text=text, value=value, places=places)


def parse_document(text: str, *, path: Path) -> Document:
    """A text whose file's ending is not known: TOML where it is that, else YAML.

    path: what it is called in messages. Raises RecipeError (with the place).
    """
    try:
        return _read_toml(path, text)
    except RecipeError:
        value, places = parse_yaml(text, name=str(path))
        return Document(path=path, text=text, value=value, places=places)


def read_text(path: Path) -> str:
    """UTF-8 text of at most 1 MiB, without a byte order mark. Raises InputError."""
    try:
        if path.is_dir():
            raise InputError("is a folder", where=str(path), cure=_inside(path))
        with path.open("rb") as stream:
            data = stream.read(MAX_BYTES + 1)
    except FileNotFoundError:
        raise InputError("no such file", where=str(path), cure=_nearby(path)) from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise InputError(f"can't be read: {reason}", where=repr(str(path))) from None
    if len(data) > MAX_BYTES:
        raise InputError("is larger than 1 MiB", where=str(path), cure="is it the right file?")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        cure = "save the file as UTF-8"
        raise RecipeError("is not UTF-8 text", where=f"{path}:{line}", cure=cure) from None


def _inside(path: Path) -> str:
    found = sorted(child.name for child in path.glob("*") if child.suffix in (".yaml", ".toml"))
    return f"name the file in it, such as {path / found[0]}" if found else "name a file"


def _nearby(path: Path) -> str:
    try:
        found = sorted(c.name for c in path.parent.iterdir() if c.suffix in (".yaml", ".toml"))
    except OSError:
        return f"the folder {path.parent} does not exist either"
    listed = ", ".join(found[:5])
    return f"files there: {listed}" if listed else "`distil init` writes one to start from"


def _read_toml(path: Path, text: str) -> Document:
    try:
        value = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        at = re.search(r" \(at (?:line (\d+), column (\d+)|end of document)\)$", str(error))
        message = str(error)[: at.start()] if at else str(error)
        line, column = (at[1], at[2]) if at and at[1] else (str(text.count("\n") + 1), "1")
        raise RecipeError(_lower(message), where=f"{path}:{line}:{column}") from None
    except RecursionError:
        raise RecipeError(f"is nested deeper than {MAX_DEPTH}", where=str(path)) from None
    return Document(path=path, text=text, value=value, places=toml_places(text))


def parse_yaml(text: str, *, name: str) -> tuple[Any, dict[KeyPath, tuple[int, int]]]:
    """The value and the places of `text`. Raises RecipeError at `name:line:column`."""
    builder = _Builder(name)
    try:
        for event in yaml.parse(text, Loader=_Loader):
            builder.take(event)
    except yaml.MarkedYAMLError as error:
        raise builder.error(
            _syntax(error, text), error.problem_mark or error.context_mark
        ) from None
    except yaml.YAMLError as error:
        raise RecipeError(f"is not YAML: {error}", where=name) from None
    return builder.value, builder.places()


def _syntax(error: yaml.MarkedYAMLError, text: str) -> str:
    problem = error.problem or "is not YAML"
    if "cannot start any token" in problem and error.problem_mark is not None:
        line = text.splitlines()[error.problem_mark.line :][:1]
        if line and "\t" in line[0][: len(line[0]) - len(line[0].lstrip())]:
            return "a tab indents this line; use spaces"
    return f"{error.context}: {problem}" if error.context else problem


def _lower(message: str) -> str:
    return message[:1].lower() + message[1:]


@dataclass(slots=True)
class _Item:
    """A value under construction. weight, height: how many values are in it, and how deep,
    once its aliases are expanded."""

    value: Any
    mark: Any
    weight: int = 1
    height: int = 0
    children: dict[str | int, tuple[Any, _Item]] = field(default_factory=dict)
    key: tuple[str, Any] | None = None
    anchor: str | None = None


class _Builder:
    """Takes parser events, one after the other."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.root: _Item | None = None
        self._stack: list[_Item] = []
        self._anchors: dict[str, _Item] = {}
        self._aliases = 0

    @property
    def value(self) -> Any:
        return self.root.value if self.root else None

    def error(self, what: str, mark: Any, cure: str = "") -> RecipeError:
        where = f"{self.name}:{mark.line + 1}:{mark.column + 1}" if mark else self.name
        return RecipeError(what, where=where, cure=cure)

    def take(self, event: Any) -> None:
        match event:
            case yaml.ScalarEvent():
                self._scalar(event)
            case yaml.SequenceStartEvent():
                self._open(event, [])
            case yaml.MappingStartEvent():
                self._open(event, {})
            case yaml.SequenceEndEvent() | yaml.MappingEndEvent():
                self._close()
            case yaml.AliasEvent():
                self._alias(event)
            case yaml.DocumentStartEvent() if self.root is not None:
                raise self.error("a second document begins", event.start_mark, "keep only one")
            case _:
                pass

    def _scalar(self, event: Any) -> None:
        self._check_tag(event)
        parent = self._stack[-1] if self._stack else None
        if parent is not None and isinstance(parent.value, dict) and parent.key is None:
            self._key(parent, event)
            return
        plain = event.tag is None and event.style in (None, "")
        value = plain_value(event.value) if plain else event.value
        item = _Item(value, event.start_mark)
        self._remember(event, item)
        self._add(item)

    def _key(self, parent: _Item, event: Any) -> None:
        if event.value in parent.value:
            first = parent.children[event.value][0]
            what = f"the key {event.value[:60]!r} is already on line {first.line + 1}"
            raise self.error(what, event.start_mark, "remove one of them")
        parent.key = (event.value, event.start_mark)

    def _open(self, event: Any, value: Any) -> None:
        self._check_tag(event)
        self._check_is_value(event)
        if len(self._stack) >= MAX_DEPTH:
            raise self.error(f"is nested deeper than {MAX_DEPTH}", event.start_mark)
        item = _Item(value, event.start_mark, anchor=event.anchor)
        self._stack.append(item)

    def _close(self) -> None:
        item = self._stack.pop()
        if item.anchor is not None:  # only now: a value that holds itself has no anchor yet
            self._anchors[item.anchor] = item
        self._add(item)

    def _alias(self, event: Any) -> None:
        self._check_is_value(event)
        self._aliases += 1
        if self._aliases > MAX_ALIASES:
            raise self.error(f"has more than {MAX_ALIASES} aliases", event.start_mark)
        if event.anchor not in self._anchors:
            raise self.error(f"no finished value is called &{event.anchor}", event.start_mark)
        self._add(self._anchors[event.anchor])

    def _check_is_value(self, event: Any) -> None:
        parent = self._stack[-1] if self._stack else None
        if parent is not None and isinstance(parent.value, dict) and parent.key is None:
            raise self.error("a key must be plain text", event.start_mark)

    def _check_tag(self, event: Any) -> None:
        if event.tag not in _TAGS:
            tag = event.tag.replace("tag:yaml.org,2002:", "!!")
            cure = "write the plain value"
            raise self.error(f"the tag {tag[:60]} is refused", event.start_mark, cure)

    def _remember(self, event: Any, item: _Item) -> None:
        if event.anchor is not None:
            self._anchors[event.anchor] = item

    def _add(self, item: _Item) -> None:
        if not self._stack:
            self.root = item
            return
        parent = self._stack[-1]
        parent.weight += item.weight
        if parent.weight > MAX_VALUES:
            raise self.error(f"holds more than {MAX_VALUES} values", item.mark)
        parent.height = max(parent.height, item.height + 1)
        if len(self._stack) + item.height > MAX_DEPTH:
            raise self.error(f"is nested deeper than {MAX_DEPTH}", item.mark)
        if isinstance(parent.value, list):
            parent.children[len(parent.value)] = (item.mark, item)
            parent.value.append(item.value)
        elif parent.key is not None:
            name, mark = parent.key
            parent.children[name] = (mark, item)
            parent.value[name] = item.value
            parent.key = None

    def places(self) -> dict[KeyPath, tuple[int, int]]:
        """Every key path (a key's place is where the key stands)."""
        found: dict[KeyPath, tuple[int, int]] = {}
        pending: list[tuple[KeyPath, Any, _Item]] = []
        if self.root is not None:
            pending.append(((), self.root.mark, self.root))
        while pending:
            path, mark, item = pending.pop()
            found[path] = (mark.line + 1, mark.column + 1)
            pending += [((*path, key), at, child) for key, (at, child) in item.children.items()]
        return found
