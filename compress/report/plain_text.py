"""Text from data made harmless to show: names of classes, files and budgets are anybody's words."""

from __future__ import annotations

import re

# C0, DEL and C1 controls (terminal escapes begin with them), the marks that turn the direction of
# writing (they can make a name look like another), and lone surrogates (no encoder takes them).
_HIDDEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
)


def visible(text: str) -> str:
    """Control characters as escapes that one can see; line breaks and tabs stay."""
    return _HIDDEN.sub(_escape, text.replace("\r\n", "\n"))


def one_line(text: str) -> str:
    """`visible`, with every run of white space as one space."""
    return " ".join(visible(text).split())


def typeset(text: str) -> str:
    """Real signs in place of ASCII ones, in texts of numbers: minus, arrow, at most, at least."""
    text = _MINUS.sub("\u2212", text)
    return text.replace("->", "\u2192").replace("<=", "\u2264").replace(">=", "\u2265")


_MINUS = re.compile(r"(?<![^\s\[(,])-(?=\d)")


def _escape(match: re.Match[str]) -> str:
    point = ord(match.group())
    return f"\\x{point:02x}" if point < 256 else f"\\u{point:04x}"
