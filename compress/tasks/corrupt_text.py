"""Typing errors in test texts, replayed letter for letter, and the tokens that they become.

Four slips of a hand, after Pruthi, Dhingra and Lipton, "Combating adversarial misspellings with
robust word recognition" (2019): two letters change places, one is left out, one is doubled, one
is its neighbour on the keyboard. The first and the last letter of a word stay, as readers and
writers keep them.
"""

from __future__ import annotations

import hashlib
import random
import re
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

PART = 0.1  # of the words that are long enough; one at least
_WORD = re.compile(r"[^\W\d_]{4,}")
_ROWS = ("qwertyuiop", "asdfghjkl", "zxcvbnm")
_NEIGHBOURS = {
    letter: row[max(0, at - 1) : at] + row[at + 1 : at + 2]
    for row in _ROWS
    for at, letter in enumerate(row)
}


def typos(texts: Sequence[str], *, seed: int) -> list[str]:
    """Each text with a slip in every tenth word of four letters or more, in one at least.

    What a text becomes depends on seed and text alone; one without such a word stays.
    """
    return [_mistyped(text, seed) for text in texts]


def tokenized_again(texts: Sequence[str], *, tokenizer: str, padding: int) -> NDArray[np.int32]:
    """(n, longest) token ids by the JSON of a task's tokenizer, which cuts; padded at the end."""
    import tokenizers

    library = tokenizers.Tokenizer.from_str(tokenizer)
    found = [encoding.ids for encoding in library.encode_batch_fast(list(texts))]
    rows = np.full((len(found), max(map(len, found), default=1) or 1), padding, dtype=np.int32)
    for row, ids in zip(rows, found, strict=True):
        row[: len(ids)] = ids
    return rows


def _mistyped(text: str, seed: int) -> str:
    words = list(_WORD.finditer(text))
    if not words:
        return text
    digest = hashlib.blake2b(text.encode(errors="surrogatepass"), digest_size=8).digest()
    drawn = random.Random(f"{seed} {digest.hex()}")
    count = max(1, round(PART * len(words)))
    for word in sorted(drawn.sample(words, count), key=lambda found: -found.start()):
        text = text[: word.start()] + _slip(word.group(), drawn) + text[word.end() :]
    return text


def _slip(word: str, drawn: random.Random) -> str:
    """One of the four, at an inner letter; another letter where the drawn one would change
    nothing."""
    places = list(range(1, len(word) - 1))
    drawn.shuffle(places)
    kinds = ["swap", "drop", "double", "neighbour"]
    drawn.shuffle(kinds)
    for kind in kinds:
        for at in places:
            changed = _changed(word, at, kind, drawn)
            if changed != word:
                return changed
    return word


def _changed(word: str, at: int, kind: str, drawn: random.Random) -> str:
    match kind:
        case "swap":
            if at + 1 == len(word) - 1:
                return word
            return word[:at] + word[at + 1] + word[at] + word[at + 2 :]
        case "drop":
            return word[:at] + word[at + 1 :]
        case "double":
            return word[:at] + word[at] + word[at:]
        case _:
            near = _NEIGHBOURS.get(word[at].lower(), "")
            if not near:
                return word
            letter = drawn.choice(near)
            return word[:at] + (letter.upper() if word[at].isupper() else letter) + word[at + 1 :]
