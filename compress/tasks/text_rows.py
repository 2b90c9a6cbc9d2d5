"""Token rows of texts, made once: kept in the cache under a digest of texts and tokenizer."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from compress.errors import InputError
from compress.tasks.text_tokenizer import Tokenizer
from exporters.atomic import atomic_path, sha256_file, write_text

IN_MEMORY_BYTES = 256 * 1024**2  # larger rows are mapped
_KEPT_FROM = 5000  # texts; fewer are tokenized faster than a file is verified


def tokenized(
    texts: Sequence[str], tokenizer: Tokenizer, *, tokens: int, store: Path
) -> NDArray[np.generic]:
    """(n, longest) ids, see Tokenizer.rows. InputError when store can't be made."""
    if len(texts) < _KEPT_FROM:
        return tokenizer.rows(texts, tokens=tokens)
    path = store / f"{_digest(texts, tokenizer, tokens)}.npy"
    if not _is_whole(path):
        try:
            store.mkdir(parents=True, exist_ok=True)
        except OSError as exc:
            raise InputError(f"can't be made: {exc.strerror}", where=str(store)) from exc
        rows = tokenizer.rows(texts, tokens=tokens)
        with atomic_path(path, need_bytes=rows.nbytes) as temporary:
            with temporary.open("wb") as stream:
                np.save(stream, rows, allow_pickle=False)
            digest = sha256_file(temporary)
        write_text(path.with_suffix(".sha256"), digest)
    large = path.stat().st_size > IN_MEMORY_BYTES
    kept: NDArray[np.generic] = np.load(path, mmap_mode="r" if large else None, allow_pickle=False)
    return kept


def _digest(texts: Sequence[str], tokenizer: Tokenizer, tokens: int) -> str:
    total = hashlib.sha256(f"1 {tokens} {tokenizer.text}".encode())
    for text in texts:
        data = text.encode(errors="surrogatepass")
        total.update(len(data).to_bytes(8, "little"))
        total.update(data)
    return total.hexdigest()


def _is_whole(path: Path) -> bool:
    """Whether the file is there and is what was written: else it is made again."""
    try:
        return path.with_suffix(".sha256").read_text() == sha256_file(path)
    except (OSError, InputError, UnicodeDecodeError):
        return False
