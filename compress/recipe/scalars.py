"""What a plain scalar of YAML means."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

_NULL = re.compile(r"~|null|Null|NULL|")
_BOOLEAN = re.compile(r"true|True|TRUE|false|False|FALSE")
_INTEGER = re.compile(r"[-+]?[0-9]{1,400}|0o[0-7]{1,400}|0x[0-9a-fA-F]{1,400}")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")


def plain_value(text: str) -> Any:
    """A plain scalar by the core schema of YAML 1.2, without infinities."""
    readers: tuple[tuple[re.Pattern[str], Callable[[str], Any]], ...] = (
        (_NULL, lambda _: None),
        (_BOOLEAN, lambda word: word.lower() == "true"),
        (_INTEGER, lambda digits: int(digits, 0) if digits[:2] in ("0o", "0x") else int(digits)),
        (_FLOAT, float),
    )
    for pattern, read in readers:
        if pattern.fullmatch(text):
            return read(text)
    return text
