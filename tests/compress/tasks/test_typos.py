"""Typing errors: replayed, one slip per hit word, inside of words, and tokens made again."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer, models, pre_tokenizers

from compress.tasks.corrupt_text import tokenized_again, typos

TEXT = "The quick brown foxes jump over several very lazy sleeping dogs without making noise"


def _changed_words(before: str, after: str) -> list[tuple[str, str]]:
    return [(a, b) for a, b in zip(before.split(), after.split(), strict=True) if a != b]


def test_every_tenth_long_word_is_mistyped_and_at_least_one() -> None:
    (once,) = typos([TEXT], seed=0)
    assert len(_changed_words(TEXT, once)) == 1  # of 13 words of four letters and more
    long = " ".join([TEXT] * 10)
    (often,) = typos([long], seed=0)
    assert len(_changed_words(long, often)) == 13


def test_words_of_three_letters_and_numbers_are_left_alone() -> None:
    assert typos(["It is 12345 a-b c_d", ""], seed=3) == ["It is 12345 a-b c_d", ""]


def test_the_same_seed_gives_the_same_letters_whatever_stands_around_a_text() -> None:
    alone = typos([TEXT], seed=4)
    assert typos(["another text here", TEXT], seed=4)[1] == alone[0]
    assert {typos([TEXT], seed=seed)[0] for seed in range(20)} > {alone[0]}


@given(st.text(alphabet=st.characters(categories=("Ll", "Lu")), min_size=4, max_size=12))
def test_a_slip_keeps_the_ends_of_a_word_and_changes_its_length_by_one_at_most(word: str) -> None:
    (slipped,) = typos([word], seed=0)
    assert (slipped[0], slipped[-1]) == (word[0], word[-1])
    assert abs(len(slipped) - len(word)) <= 1
    if len(word) > 4:
        assert slipped != word


def test_all_four_slips_occur() -> None:
    seen = {typos(["keyboard"], seed=seed)[0] for seed in range(300)}
    assert {"kyeboard", "keboard", "keeyboard", "kwyboard"} <= seen


def test_tokens_are_those_of_the_tasks_own_tokenizer() -> None:
    vocabulary = {"[PAD]": 0, "[UNK]": 1, "red": 2, "green": 3}
    library = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
    library.pre_tokenizer = pre_tokenizers.Whitespace()
    library.enable_truncation(max_length=3)
    rows = tokenized_again(["red", "green gren red red"], tokenizer=library.to_str(), padding=0)
    assert rows.tolist() == [[2, 0, 0], [3, 1, 2]]
    assert rows.dtype == np.int32
