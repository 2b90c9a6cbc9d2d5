"""Texts that say the same: near-duplicates, found by MinHash (Broder, 1997)."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

LIKENESS = 0.8  # of two sets of words, Jaccard, from which on texts are near-duplicates
_BANDS = 12  # a pair alike by 0.8 shares a band with probability 0.998, one by 0.3 with 0.09
_ROWS = 4
_WORD = re.compile(r"\w+")


def text_groups(texts: Sequence[str], *, groups: Sequence[str] | None = None) -> NDArray[np.uint64]:
    """(n,) a number that texts which belong together share, made of what they hold.

    Together are texts whose sets of words are alike by 0.8 or more (case and punctuation aside),
    those of one entry in groups, and whatever these connect. Seven of eight words in common is
    alike, two of three is not.
    """
    words = [frozenset(_WORD.findall(text.lower())) for text in texts]
    forest = _Forest(len(texts))
    if groups is not None:
        forest.join_equal(groups)
    keys = (" ".join(sorted(found)) for found in words)
    forest.join_equal([key or text for key, text in zip(keys, texts, strict=True)])
    for band in _bands(words):
        for first, second in _neighbours(band):
            if forest.root(first) != forest.root(second) and _alike(words[first], words[second]):
                forest.join(first, second)
    return _contents(texts, forest)


def _bands(words: Sequence[frozenset[str]]) -> Iterable[NDArray[np.uint64]]:
    """For each band, a number per text that like texts share."""
    known: dict[str, int] = {}
    for found in words:
        for word in found:
            if word not in known:
                known[word] = _hash(word.encode())
    sizes = np.array([max(1, len(found)) for found in words])
    flat = np.fromiter(
        (known[word] if word else 0 for found in words for word in (found or {""})),
        dtype=np.uint64,
        count=int(sizes.sum()),
    )
    starts = np.concatenate([[0], np.cumsum(sizes)[:-1]])
    random = np.random.default_rng(0)
    with np.errstate(over="ignore"):
        for _ in range(_BANDS):
            key = np.zeros(len(words), dtype=np.uint64)
            for _ in range(_ROWS):
                factor = random.integers(1, 2**63, dtype=np.uint64) | np.uint64(1)
                mixed = flat * factor
                mixed ^= mixed >> np.uint64(29)
                key = key * np.uint64(0x9E3779B97F4A7C15) + np.minimum.reduceat(mixed, starts)
            yield key


def _neighbours(band: NDArray[np.uint64]) -> Iterable[tuple[int, int]]:
    """Pairs within each set of equal keys: each with the first, and with the one before."""
    order = np.argsort(band, kind="stable")
    same = np.flatnonzero(band[order[1:]] == band[order[:-1]])
    first = -1
    for position in same.tolist():
        here, following = int(order[position]), int(order[position + 1])
        if first < 0 or band[first] != band[here]:
            first = here
        yield here, following
        if first != here:
            yield first, following


def _alike(one: frozenset[str], other: frozenset[str]) -> bool:
    shared = len(one & other)
    return shared > 0 and shared >= LIKENESS * (len(one) + len(other) - shared)


def _contents(texts: Sequence[str], forest: _Forest) -> NDArray[np.uint64]:
    """Of the first text in the alphabet of each group: rows that come or go change few others."""
    least: dict[int, str] = {}
    roots = [forest.root(index) for index in range(len(texts))]
    for root, text in zip(roots, texts, strict=True):
        least[root] = min(least.get(root, text), text)
    numbers = {root: _hash(text.encode(errors="surrogatepass")) for root, text in least.items()}
    return np.array([numbers[root] for root in roots], dtype=np.uint64)


def _hash(data: bytes) -> int:
    return int.from_bytes(hashlib.blake2b(data, digest_size=8).digest(), "little")


class _Forest:
    """Disjoint sets of 0..n-1 (Tarjan)."""

    def __init__(self, count: int) -> None:
        self._parents = list(range(count))

    def root(self, index: int) -> int:
        parents = self._parents
        while parents[index] != index:
            parents[index] = parents[parents[index]]
            index = parents[index]
        return index

    def join(self, one: int, other: int) -> None:
        first, second = sorted((self.root(one), self.root(other)))
        self._parents[second] = first

    def join_equal(self, keys: Sequence[str]) -> None:
        seen: dict[str, int] = {}
        for index, key in enumerate(keys):
            self.join(seen.setdefault(key, index), index)
