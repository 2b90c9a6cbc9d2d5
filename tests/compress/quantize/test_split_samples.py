"""Of a user's samples, none that calibrates says what was lost."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
import pytest
from numpy.typing import NDArray

from compress.errors import InputError
from compress.quantize.samples import split_samples
from exporters.values import TensorSpec

INPUTS = (TensorSpec(name="x", dtype="float32", shape=("n", 4)),)


def _rows(count: int, *, seed: int = 0) -> NDArray[np.float32]:
    return np.random.default_rng(seed).random((count, 4), dtype=np.float32)


def _batches(rows: NDArray[np.float32]) -> Iterator[Mapping[str, NDArray[np.float32]]]:
    return ({"x": rows[at : at + 8]} for at in range(0, len(rows), 8))


def test_one_batch_of_three_calibrates_and_the_others_are_held_out() -> None:
    rows = _rows(240)
    found = split_samples(rows, INPUTS)
    calibrating = np.concatenate([batch["x"] for batch in found.calibration])
    held_out = np.concatenate([batch["x"] for batch in found.held_out])
    assert (len(calibrating), len(held_out)) == (80, 160)
    assert not set(map(bytes, calibrating)) & set(map(bytes, held_out))


def test_more_than_one_percent_of_copies_is_refused() -> None:
    rows = _rows(312)  # 208 are held out, from the second batch on
    rows[8:10] = rows[:2]
    assert split_samples(rows, INPUTS).count == 208
    rows[10] = rows[2]
    said = r"3 of 208 samples that say what is lost \(1\.44%\) are also among those that calibrate"
    for data in (rows, lambda: _batches(rows)):
        with pytest.raises(InputError, match=said):
            split_samples(data, INPUTS)
    rows[10, 3] += 1
    assert split_samples(rows, INPUTS).count == 208


def test_all_inputs_of_a_sample_tell_it_from_others() -> None:
    inputs = (*INPUTS, TensorSpec(name="of", dtype="int64", shape=("n",)))
    rows = np.ones((48, 4), dtype=np.float32)
    assert split_samples({"x": rows, "of": np.arange(48)}, inputs).count == 32
    with pytest.raises(InputError, match="32 of 32"):
        split_samples({"x": rows, "of": np.zeros(48, dtype=np.int64)}, inputs)
