"""Text from data made harmless to show: names of classes, files and budgets are anybody's words."""

from __future__ import annotations

import re

from compress.gate.escape import printable

_MINUS = re.compile(r"(?<![^\s\[(,])-(?=\d)")


def visible(text: str) -> str:
    """Control, direction and surrogate characters as escapes; line breaks and tabs stay."""
    lines = text.replace("\r\n", "\n").split("\n")
    return "\n".join("\t".join(map(printable, line.split("\t"))) for line in lines)


def one_line(text: str) -> str:
    """`visible`, with every run of white space as one space."""
    return " ".join(visible(text).split())


def typeset(text: str) -> str:
    """Real signs in place of ASCII ones, in texts of numbers: minus, arrow, at most, at least."""
    text = _MINUS.sub("\u2212", text)
    return text.replace("->", "\u2192").replace("<=", "\u2264").replace(">=", "\u2265")
