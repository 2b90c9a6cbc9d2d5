"""A recipe file, with overrides, to a checked recipe."""

from __future__ import annotations

import copy
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from compress.errors import InputError, RecipeError
from compress.recipe.checks import check_recipe
from compress.recipe.document import (
    Document,
    KeyPath,
    parse_document,
    parse_yaml,
    read_document,
)
from compress.recipe.nodes import Recipe
from compress.recipe.validate import key_path, validate


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadedRecipe:
    """A recipe and where it came from. digest: SHA-256 of what it says, overrides and defaults
    included; comments, order and spelling do not count. text: the file as it stands."""

    recipe: Recipe
    path: Path
    folder: Path
    text: str
    digest: str
    overrides: tuple[str, ...] = ()


def load_recipe(path: str | Path, *, overrides: Sequence[str] = ()) -> LoadedRecipe:
    """Read `path` (YAML, or TOML by its ending), then `a.b=c` overrides.

    Raises InputError where the file can't be read, RecipeError with file:line:column and key
    path where it says something wrong.
    """
    source = Path(path)
    return _loaded(read_document(source), source, overrides)


def load_recipe_text(text: str, *, folder: Path, overrides: Sequence[str] = ()) -> LoadedRecipe:
    """A recipe as a report holds it; its paths are relative to `folder`. Raises RecipeError."""
    source = folder / "recipe of the run"
    return _loaded(parse_document(text, path=source), source, overrides)


def _loaded(document: Document, source: Path, overrides: Sequence[str]) -> LoadedRecipe:
    for override in overrides:
        document = _override(document, override)
    recipe = validate(Recipe, document)
    check_recipe(recipe, document)
    absolute = source.absolute()
    return LoadedRecipe(
        recipe=recipe,
        path=absolute,
        folder=absolute.parent,
        text=document.text,
        digest=recipe_digest(recipe),
        overrides=tuple(overrides),
    )


def recipe_digest(recipe: Recipe) -> str:
    """SHA-256 over the canonical JSON of the recipe, defaults written out."""
    plain = recipe.model_dump(mode="json", by_alias=True)
    text = json.dumps(plain, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode("ascii")).hexdigest()


def _override(document: Document, override: str) -> Document:
    """The document with one `a.b=c` applied. Elements of a list go by index, or by their id."""
    where = f"--set {override[:120]}"
    dotted, equals, text = override.partition("=")
    names = [name.strip() for name in dotted.split(".")]
    if not equals or not all(names):
        raise InputError("is not `key.path=value`", where=where, cure="such as distill.epochs=3")
    try:
        new, _ = parse_yaml(text, name=where)
    except RecipeError as error:
        raise InputError(error.what, where=where, cure=error.cure) from None
    if not isinstance(document.value, dict):
        return document  # validate says what is wrong with it
    value = copy.deepcopy(document.value)
    path: list[str | int] = []
    inner: Any = value
    for position, name in enumerate(names):
        last = position == len(names) - 1
        key = _key(inner, name, path, where)
        path.append(key)
        if last:
            inner[key] = new
        elif isinstance(inner, dict) and inner.get(key) is None:
            inner[key] = {}
        inner = inner[key]
    places = {
        known: at for known, at in document.places.items() if known[: len(path)] != tuple(path)
    }
    return _Overridden.of(document, value, places, tuple(path), where)


def _key(inner: Any, name: str, path: Sequence[str | int], where: str) -> str | int:
    if isinstance(inner, dict):
        return name
    here = key_path(tuple(path))
    if not isinstance(inner, list):
        raise InputError(f"{here} is a single value and has no {name!r}", where=where)
    ids = [str(item.get("id")) if isinstance(item, dict) else "" for item in inner]
    if name in ids:
        return ids.index(name)
    if name.isdecimal() and int(name) < len(inner):
        return int(name)
    known = ", ".join(filter(None, ids)) or f"0 to {len(inner) - 1}"
    raise InputError(f"{here} has no element {name!r}", where=where, cure=f"elements: {known}")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Overridden(Document):
    """A document part of which came from the command line."""

    set_by: tuple[tuple[KeyPath, str], ...] = ()

    @classmethod
    def of(
        cls, document: Document, value: Any, places: Any, path: KeyPath, where: str
    ) -> _Overridden:
        earlier = document.set_by if isinstance(document, _Overridden) else ()
        return cls(
            path=document.path,
            text=document.text,
            value=value,
            places=places,
            set_by=(*earlier, (path, where)),
        )

    def where(self, path: KeyPath) -> str:
        for known, where in reversed(self.set_by):
            if path[: len(known)] == known:
                return where
        return Document.where(self, path)
