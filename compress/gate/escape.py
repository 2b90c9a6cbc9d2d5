"""Names come from recipes and data sets: nothing in them may act in a terminal, page or log."""

from __future__ import annotations

import html
import re
import unicodedata

_MARKDOWN = re.compile(r"([\\`*_{}\[\]!|~$])")
_REFERENCE = re.compile(r"([@#]|:(?=//))")


def printable(text: str) -> str:
    """One line without control, direction or surrogate characters: they become \\x1b."""
    return "".join(character if _is_safe(character) else _escaped(character) for character in text)


def _is_safe(character: str) -> bool:
    return character == " " or unicodedata.category(character)[0] not in "CZ"


def _escaped(character: str) -> str:
    if unicodedata.category(character) == "Zs":
        return " "
    return character.encode("unicode_escape").decode("ascii")


def markdown(text: str) -> str:
    """Text for a cell of a table: one line, no markup, no HTML, no link, nobody is mentioned.

    An empty comment after @, # and : keeps them from becoming mentions, references and links.
    """
    escaped = _MARKDOWN.sub(r"\\\1", html.escape(printable(text), quote=False))
    return _REFERENCE.sub(r"\1<!-- -->", escaped)


def xml(text: str) -> str:
    """Text or attribute value of an XML document."""
    return html.escape(printable(text), quote=True)


def github_data(text: str) -> str:
    """The message of a workflow command. No other command can begin in it: it stays one line."""
    return printable(text).replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def github_property(text: str) -> str:
    """A property of a workflow command."""
    return github_data(text).replace(":", "%3A").replace(",", "%2C")
