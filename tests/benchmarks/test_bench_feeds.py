"""Feeds: real samples by batch, random ones by shape, and one line for whatever does not fit."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from benchmarks.feeds import cell_feeds, random_inputs, read_shapes, unnamed
from exporters.errors import InputError
from exporters.values import OnnxArtifact, TensorSpec

Shape = tuple[int | str | None, ...]


def artifact(*inputs: tuple[str, str, Shape]) -> OnnxArtifact:
    return OnnxArtifact(
        path=Path("m.onnx"),
        digest="0" * 64,
        size_bytes=1,
        opset=17,
        ir_version=8,
        inputs=tuple(TensorSpec(name=n, dtype=d, shape=s) for n, d, s in inputs),
        outputs=(),
        precision="float32",
        parameters=0,
    )


IMAGES = artifact(("images", "float32", ("batch", 1, 2, 2)))
TEXT = artifact(("ids", "int64", ("batch", "length")), ("mask", "int64", ("batch", "length")))


def test_rows_repeat_to_fill_a_batch() -> None:
    rows = np.arange(12, dtype=np.float32).reshape(3, 1, 2, 2)
    fed = cell_feeds(IMAGES, rows, batch=5)["images"]
    assert fed[:, 0, 0, 0].tolist() == [0, 4, 8, 0, 4]
    assert fed.flags["C_CONTIGUOUS"]


def test_another_width_of_float_is_cast_and_nothing_else() -> None:
    half = artifact(("x", "float16", ("batch", 2)))
    assert cell_feeds(half, np.ones((1, 2), np.float32), batch=1)["x"].dtype == np.float16
    with pytest.raises(InputError, match=r"x was given int64; it takes x float16 \(batch, 2\)"):
        cell_feeds(half, np.ones((1, 2), np.int64), batch=1)


def test_a_fixed_batch_is_measured_as_it_is() -> None:
    fixed = artifact(("x", "float32", (4, 2)))
    assert cell_feeds(fixed, np.ones((9, 2), np.float32), batch=4)["x"].shape == (4, 2)
    with pytest.raises(InputError, match="measure it at batch 4"):
        cell_feeds(fixed, np.ones((9, 2), np.float32), batch=1)


def test_an_input_without_a_batch_is_fed_whole() -> None:
    model = artifact(("x", "float32", ("n", 2)), ("table", "float32", (7, 3)), ("k", "float32", ()))
    given: dict[str, NDArray[np.generic]] = {
        "x": np.ones((1, 2), np.float32),
        "table": np.ones((7, 3), np.float32),
        "k": np.array(2, np.float32),
    }
    shapes = {name: array.shape for name, array in cell_feeds(model, given, batch=8).items()}
    assert shapes == {"x": (8, 2), "table": (7, 3), "k": ()}


@pytest.mark.parametrize(
    ("inputs", "said"),
    [
        (np.ones((1, 3, 2, 2), np.float32), r"images was given \(1, 3, 2, 2\)"),
        (np.ones((1, 4), np.float32), r"images was given \(1, 4\)"),
        (np.ones((0, 1, 2, 2), np.float32), "no samples"),
        ({"pixels": np.ones((1, 1, 2, 2), np.float32)}, r"was given \['pixels'\]"),
    ],
)
def test_what_does_not_fit_is_named(inputs: object, said: str) -> None:
    with pytest.raises(InputError, match=said) as caught:
        cell_feeds(IMAGES, inputs, batch=1)  # type: ignore[arg-type]
    assert "\n" not in str(caught.value)


def test_one_array_for_two_inputs_is_refused() -> None:
    with pytest.raises(InputError, match=r"takes 2 inputs: ids int64 \(batch, length\); mask"):
        cell_feeds(TEXT, np.ones((1, 2), np.int64), batch=1)


def test_open_dimensions_are_listed_with_the_flags_to_paste() -> None:
    with pytest.raises(InputError) as caught:
        random_inputs(TEXT, rows=2, seed=0)
    line = str(caught.value)
    assert "ids int64 (batch, length); mask int64 (batch, length)" in line
    flags = line.split("as in ")[1].split()
    shapes = read_shapes(flags[1::2])
    assert flags[0] == "--shape"
    made = random_inputs(TEXT, rows=2, seed=0, shapes=shapes)
    assert {name: array.shape for name, array in made.items()} == {
        "ids": (2, 128),
        "mask": (2, 128),
    }


def test_a_shape_may_leave_the_batch_out() -> None:
    shapes = read_shapes(["ids=16", "mask=batch,16"])
    made = random_inputs(TEXT, rows=3, seed=0, shapes=shapes)
    assert made["ids"].shape == made["mask"].shape == (3, 16)
    assert set(np.unique(made["ids"])) <= {0, 1}


def test_random_feeds_are_seeded_and_need_no_flag_where_only_the_batch_is_open() -> None:
    first, again = (random_inputs(IMAGES, rows=4, seed=6)["images"] for _ in range(2))
    assert first.shape == (4, 1, 2, 2)
    assert first.dtype == np.float32
    assert np.array_equal(first, again)


def test_a_batch_without_a_name_is_still_the_batch() -> None:
    assert random_inputs(artifact(("x", "float32", (None, 3))), rows=2, seed=0)["x"].shape == (2, 3)


@pytest.mark.parametrize("flag", ["ids", "ids=", "=1,2", "ids=1,x", "ids=0,2", "ids=-1", "ids=1x2"])
def test_a_shape_that_is_none_is_refused(flag: str) -> None:
    with pytest.raises(InputError, match="--shape"):
        read_shapes([flag])


@pytest.mark.parametrize("flag", ["ids=1,16", "ids=batch,16,16", "idz=16"])
def test_a_shape_that_does_not_fit_is_refused_with_the_right_one(flag: str) -> None:
    with pytest.raises(InputError, match="ids"):
        random_inputs(TEXT, rows=1, seed=0, shapes=read_shapes([flag, "mask=16"]))


def test_made_up_samples_fit_a_file_that_calls_its_one_input_otherwise() -> None:
    other = artifact(("pixels", "float32", ("n", 1, 2, 2)))
    made = unnamed(random_inputs(IMAGES, rows=2, seed=0))
    assert cell_feeds(other, made, batch=2)["pixels"].shape == (2, 1, 2, 2)
    shapes = read_shapes(["ids=16", "mask=16"])
    assert set(unnamed(random_inputs(TEXT, rows=1, seed=0, shapes=shapes))) == {"ids", "mask"}
