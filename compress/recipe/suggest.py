"""Did you mean: what an unknown word was probably meant to be."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def near(word: object, known: Iterable[str]) -> str:
    """`did you mean 'epochs'?`, or nothing where no known word is close."""
    found = difflib.get_close_matches(str(word).casefold(), list(known), n=1, cutoff=0.6)
    return f"did you mean {found[0]!r}?" if found else ""


def suggestion(word: object, known: Iterable[str]) -> str:
    """`did you mean 'epochs'?`, else the words that exist."""
    names = list(known)
    return near(word, names) or f"known: {', '.join(names)}"
