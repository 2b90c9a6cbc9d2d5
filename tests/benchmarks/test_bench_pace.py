"""How many calls make a block, and for whom it is the same."""

from __future__ import annotations

from benchmarks.pace import even_calls


def test_models_of_about_the_same_speed_have_the_same_number_of_calls() -> None:
    """A probe on a busy machine may find a twin three times as slow as it is."""
    assert even_calls({(0, 1): 4, (1, 1): 12}) == {(0, 1): 12, (1, 1): 12}
    assert even_calls({(0, 1): 12, (1, 1): 4}) == {(0, 1): 12, (1, 1): 12}
    assert even_calls({(0, 1): 7, (1, 1): 7}) == {(0, 1): 7, (1, 1): 7}


def test_a_much_faster_model_keeps_blocks_of_equal_length() -> None:
    assert even_calls({(0, 1): 4, (1, 1): 80}) == {(0, 1): 4, (1, 1): 80}


def test_each_batch_and_each_group_is_evened_by_itself() -> None:
    calls = {(0, 1): 10, (1, 1): 14, (2, 1): 400, (0, 32): 1, (1, 32): 2, (2, 32): 40}
    assert even_calls(calls) == {
        (0, 1): 14, (1, 1): 14, (2, 1): 400, (0, 32): 2, (1, 32): 2, (2, 32): 40,
    }  # fmt: skip
