"""Texts to rows of token ids by a tokenizer.json of the `tokenizers` library."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from compress.errors import InputError

_LARGEST = 64 << 20  # bytes of a tokenizer.json
_PART = 2048  # texts encoded together
_PADS = ("[PAD]", "<pad>", "<|endoftext|>")


@dataclass(frozen=True, slots=True, kw_only=True)
class Tokenizer:
    """text: the JSON that runs ship, which cuts as the task does and pads nothing."""

    text: str
    padding: int
    vocabulary: int
    _library: Any

    def rows(self, texts: Sequence[str], *, tokens: int) -> NDArray[np.generic]:
        """(n, longest) ids, padded at the end; uint16 where the vocabulary fits, else int32."""
        dtype = np.uint16 if self.vocabulary <= 1 << 16 else np.int32
        rows = np.full((len(texts), tokens), self.padding, dtype=dtype)
        longest = 1
        for at, found in enumerate(self._encoded(texts)):
            rows[at, : len(found)] = found
            longest = max(longest, len(found))
        return np.ascontiguousarray(rows[:, :longest])

    def _encoded(self, texts: Sequence[str]) -> Iterator[list[int]]:
        for start in range(0, len(texts), _PART):
            part = list(texts[start : start + _PART])
            for encoding in self._library.encode_batch_fast(part):
                yield encoding.ids


def load_tokenizer(path: Path, *, tokens: int) -> Tokenizer:
    """Read a tokenizer.json; it will cut texts after `tokens`. InputError for another file."""
    import tokenizers

    where = str(path)
    if path.stat().st_size > _LARGEST:
        raise InputError("is larger than any tokenizer.json", where=where)
    try:
        library = tokenizers.Tokenizer.from_str(path.read_text(encoding="utf-8"))
    except Exception as exc:  # the library raises Exception itself
        said = str(exc).splitlines()[0][:200]
        cure = "give the tokenizer.json of the `tokenizers` library"
        raise InputError(f"is no tokenizer.json: {said}", where=where, cure=cure) from exc
    padding = _padding(library, where)
    library.no_padding()
    library.enable_truncation(max_length=tokens)
    return Tokenizer(
        text=library.to_str(),
        padding=padding,
        vocabulary=library.get_vocab_size(with_added_tokens=True),
        _library=library,
    )


def _padding(library: Any, where: str) -> int:
    """The id that the file pads with, else that of a token whose name says so."""
    if library.padding is not None:
        return int(library.padding["pad_id"])
    for name in _PADS:
        found = library.token_to_id(name)
        if found is not None:
            return int(found)
    cure = f"add padding to it, or a token {_PADS[0]}"
    raise InputError("names no token to pad with", where=where, cure=cure)


def sizes_of(text: str) -> tuple[int, int]:
    """(the highest id plus 1, tokens of a text at most) of the JSON that a Tokenizer holds."""
    import tokenizers

    library = tokenizers.Tokenizer.from_str(text)
    cut = library.truncation
    assert cut is not None, "a Tokenizer always cuts"
    return max(library.get_vocab(with_added_tokens=True).values()) + 1, int(cut["max_length"])
