"""Plain values to frozen nodes; the first problem as one line with its place and its cure."""

from __future__ import annotations

import json
import typing
from collections.abc import Mapping
from typing import Any, TypeVar, get_args

from pydantic import BaseModel, ValidationError

from compress.errors import RecipeError
from compress.recipe.document import Document, KeyPath
from compress.recipe.suggest import near, suggestion

Model = TypeVar("Model", bound=BaseModel)


def validate(model: type[Model], document: Document) -> Model:
    """The document as a `model`. Strict: "12" is no number and `yes` no boolean. RecipeError."""
    value = document.value
    if not isinstance(value, dict):
        found = "is empty" if value is None else f"holds {_shown(value)}, not keys and values"
        raise RecipeError(found, where=document.where(()), cure="begin with `schema: 1`")
    _check_schema(document)
    try:
        return model.model_validate_json(json.dumps(value, default=str), strict=True)
    except ValidationError as error:
        raise _first(model, document, error) from None


def _check_schema(document: Document) -> None:
    version = document.value.get("schema", 1)
    if type(version) is int and version > 1:
        raise RecipeError(
            f"`schema: {version}` is newer than this program, which reads 1",
            where=document.where(("schema",)),
            cure="upgrade distil, or write `schema: 1`",
        )


def place(document: Document, path: KeyPath, what: str, *, cure: str = "") -> RecipeError:
    """The error that says `what` at `path`: file:line:column and key path."""
    dotted = key_path(path)
    return RecipeError(
        f"{dotted}: {what}" if dotted else what, where=document.where(path), cure=cure
    )


def key_path(path: KeyPath) -> str:
    """('budgets', 0, 'max') -> 'budgets[0].max', printable."""
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)
    return text.lstrip(".").encode("unicode_escape").decode("ascii")[:200]


def _first(model: type[BaseModel], document: Document, error: ValidationError) -> RecipeError:
    found = [_describe(model, document.value, problem) for problem in error.errors()]
    # An unknown key often explains the missing one beside it, so it is told first.
    found.sort(key=lambda item: item[3])
    path, what, cure, _ = found[0]
    if len(found) > 1:
        more = f"({len(found) - 1} more)"
        cure = f"{cure} {more}" if cure else more
    return place(document, path, what, cure=cure)


def _describe(
    model: type[BaseModel], value: Any, problem: Mapping[str, Any]
) -> tuple[KeyPath, str, str, int]:
    """(key path, what, cure, rank)."""
    kind, context = problem["type"], problem.get("ctx", {})
    path, found = _walk(value, problem["loc"], missing=kind == "missing")
    match kind:
        case "extra_forbidden":
            name = str(path[-1])
            return path, f"unknown key {name[:60]!r}", suggestion(name, _keys(model, problem)), 0
        case "missing":
            return path, "is missing", "", 2
        case "too_short":
            # Told last: what is wrong with an element makes the list short as well.
            return path, f"needs {context['min_length']} or more entries", "", 3
        case "union_tag_invalid":
            known = [tag.strip(" '") for tag in context["expected_tags"].split(",")]
            return (*path, "kind"), *_no_kind(context["tag"], known), 1
        case "union_tag_not_found":
            kinds = _kinds(model, problem["loc"])
            return path, "needs a `kind`", f"kinds: {', '.join(kinds)}" if kinds else "", 1
        case "literal_error":
            known = [
                word.strip(" '") for word in context["expected"].replace(" or ", ",").split(",")
            ]
            if path[-1:] == ("kind",):
                return path, *_no_kind(found, known), 1
            return path, f"{_shown(found)} is not one of {', '.join(known)}", near(found, known), 1
        case "value_error":
            what, _, cure = str(context["error"]).partition("; ")
            return path, what, cure, 1
        case "string_pattern_mismatch":
            what = f"{_shown(found)} is not a name of letters, digits, dots, dashes or underscores"
            return path, what, "at most 64, the first a letter or digit", 1
        case _:
            message = problem["msg"].removeprefix("Input ")
            words = message.replace("valid dictionary or object to extract fields from", "mapping")
            words = words.replace("an object", "a mapping").replace("valid array", "list")
            words = words.replace("valid integer", "whole number")
            return path, f"{words}, and is {_shown(found)}", "", 1


def _no_kind(found: Any, known: list[str]) -> tuple[str, str]:
    close = near(found, known)
    return f"no kind {_shown(found)}", f"kinds: {', '.join(known)}" + (
        f"; {close}" if close else ""
    )


def _walk(value: Any, location: tuple[str | int, ...], *, missing: bool) -> tuple[KeyPath, Any]:
    """The key path of a pydantic location, without the union tags that it also holds."""
    path: list[str | int] = []
    for index, part in enumerate(location):
        last = index == len(location) - 1
        if isinstance(value, dict) and value.get("kind") == part and not last:
            continue
        if isinstance(value, dict):
            inside = part in value
        else:
            inside = isinstance(value, list) and isinstance(part, int) and part < len(value)
        if inside:
            value = value[part]
        elif not (last and missing):
            continue
        path.append(part)
    return tuple(path), value


def _keys(model: type[BaseModel], problem: Mapping[str, Any]) -> list[str]:
    """The keys that the node at this place has."""
    for node in _nodes(model, problem["loc"][:-1]):
        return [info.alias or name for name, info in node.model_fields.items()]
    return []


def _kinds(model: type[BaseModel], location: tuple[str | int, ...]) -> list[str]:
    nodes = _nodes(model, location)
    return [
        str(word)
        for node in nodes
        if "kind" in node.model_fields
        for word in get_args(node.model_fields["kind"].annotation)
    ]


def _nodes(model: type[BaseModel], location: tuple[str | int, ...]) -> list[type[BaseModel]]:
    """The node types that can stand at a pydantic location (tags choose among a union)."""
    nodes = [model]
    for part in location:
        if isinstance(part, int):
            continue
        tagged = [node for node in nodes if _has_tag(node, part)]
        if tagged:
            nodes = tagged
            continue
        inner = [
            found
            for node in nodes
            for name, info in node.model_fields.items()
            if (info.alias or name) == part
            for found in _models_in(info.annotation)
        ]
        nodes = inner or nodes
    return nodes


def _has_tag(node: type[BaseModel], tag: str) -> bool:
    kind = node.model_fields.get("kind")
    return kind is not None and tag in get_args(kind.annotation)


def _models_in(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and typing.get_origin(annotation) is None:
        return [annotation] if issubclass(annotation, BaseModel) else []
    return [found for part in get_args(annotation) for found in _models_in(part)]


def _shown(value: object) -> str:
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, list):
        return "a list"
    if value is None:
        return "empty"
    text = json.dumps(value) if isinstance(value, bool) else ascii(value)
    return text if len(text) <= 60 else text[:57] + "..."
