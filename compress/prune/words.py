"""Words that stand for a choice, at the door of the package."""

from __future__ import annotations

from collections.abc import Sequence

from compress.errors import InputError


def check_word(name: str, given: object, *, known: Sequence[str], where: str) -> None:
    """Raises InputError, naming what there is, for a word that is not among them."""
    if given not in known:
        cure = f"write {', '.join(known[:-1])} or {known[-1]}"
        raise InputError(f"{name} is {given!r}", where=where, cure=cure)
