"""Each scheme on a small transformer: what it keeps, what it weighs, what it depends on."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from small_transformer import ids, small_transformer

from compress import quantize
from compress.errors import InputError
from compress.quantize.fidelity import changed_by_batch_mates, fidelity
from compress.quantize.halves import half_bytes
from compress.quantize.values import SCHEMES, Quantized, Scheme
from compress.quantize.weight_only import blocks
from exporters.atomic import sha256_file
from exporters.run import run_batches
from exporters.session import open_session

FLAGS = ("avx2",)  # 7-bit weights: the same answers on every processor


def made(scheme: Scheme, folder: Path, *, outlier: float = 1.0, drop: float = 0.05) -> Quantized:
    source = small_transformer(folder / "float.onnx", outlier=outlier)
    before = sha256_file(source.path)
    data = {"ids": ids(96)}
    found = quantize(
        source.path, path=folder / "small.onnx", scheme=scheme, data=data, metric="cosine",
        max_drop=drop, cpu_flags=FLAGS, timed=False,
    )  # fmt: skip
    assert sha256_file(source.path) == before
    return found


def answers(path: Path, rows: NDArray[np.int64], batch: int = 16) -> NDArray[np.float32]:
    return run_batches(open_session(path), rows, batch=batch)


@pytest.mark.parametrize(
    ("scheme", "cosine", "size"),
    [
        ("static", 0.999, 0.75),
        ("row", 0.999, 0.75),
        ("dynamic", 0.998, 0.75),
        ("weight-only-int8", 0.9999, 0.9),
        ("weight-only-int4", 0.98, 0.85),
        ("float16", 0.99999, 0.75),
        ("bfloat16", 0.9999, 0.75),
    ],
)
def test_a_scheme_keeps_the_answers_in_fewer_bytes(
    scheme: Scheme, cosine: float, size: float, tmp_path: Path
) -> None:
    found = made(scheme, tmp_path)
    assert found.artifact is not None
    assert found.artifact.size_bytes < size * found.source.size_bytes
    rows = ids(64, seed=9)
    kept = fidelity(
        answers(found.source.path, rows).astype(np.float64),
        answers(found.artifact.path, rows).astype(np.float64),
        metric="cosine",
    )
    assert kept.value > cosine


def test_smoothing_saves_what_an_outlying_channel_would_cost(tmp_path: Path) -> None:
    """One channel 300 times larger, which its readers take back: plain ranges lose the rest."""
    from compress.quantize.mixed import applied, everything
    from compress.quantize.opened import write_model
    from compress.quantize.static import observed

    source = small_transformer(tmp_path / "float.onnx", outlier=300.0)
    given = [{"ids": ids(16, seed=n)} for n in range(4)]
    found = observed(source, given, cpu_flags=FLAGS, scratch=tmp_path)
    rows = ids(64, seed=9)
    exact = answers(source.path, rows).astype(np.float64)

    def cosine(form: str, smoothed: bool) -> float:
        used = found if smoothed else dataclasses.replace(found, smoothed={})
        model = applied(used, everything(found.model, form=form))  # type: ignore[arg-type]
        path = write_model(model, tmp_path / "q.onnx").path
        kept = fidelity(exact, answers(path, rows).astype(np.float64), metric="cosine")
        return kept.value

    assert cosine("dynamic", True) > 0.999 > 0.99 > cosine("dynamic", False)
    assert cosine("static", True) > 0.999
    # Two steps: what the outlier's own row of weights loses is all that is left.
    assert cosine("twice", True) > 0.9995


def test_two_steps_leave_the_rounding_of_weights_alone(tmp_path: Path) -> None:
    """Against the same network in float with the rounded weights: 16 bits of the left side."""
    from compress.quantize.mixed import applied, everything
    from compress.quantize.opened import write_model
    from compress.quantize.static import observed

    source = small_transformer(tmp_path / "float.onnx", outlier=30.0)
    rows = ids(64, seed=9)  # calibrate too: what lies beyond the range would be cut
    found = observed(source, [{"ids": rows}], cpu_flags=FLAGS, scratch=tmp_path)
    plain = {key: dataclasses.replace(one, correction={}) for key, one in found.in_two.items()}
    found = dataclasses.replace(found, smoothed=plain, in_two=plain)
    exact = type(found.model).FromString(found.model.SerializeToString())
    by_weight = {product.weight: product for product in found.products}
    for tensor in exact.graph.initializer:
        if tensor.name in by_weight:
            smoothed = plain[by_weight[tensor.name].source]
            levels, steps = smoothed.weights[by_weight[tensor.name].node]
            scale = np.float32(1) if smoothed.scale is None else smoothed.scale[:, None]
            rounded = (levels * steps / scale).astype(np.float32)
            tensor.CopyFrom(onnx.numpy_helper.from_array(rounded, tensor.name))
    wanted = answers(write_model(exact, tmp_path / "exact.onnx").path, rows)
    error = {}
    for form in ("static", "twice"):
        plan = everything(found.model, form=form)  # type: ignore[arg-type]
        model = applied(found, dataclasses.replace(plan, tables=False))
        path = write_model(model, tmp_path / f"{form}.onnx").path
        error[form] = float(np.abs(answers(path, rows) - wanted).max())
    assert error["twice"] < error["static"] / 50


@pytest.mark.parametrize(
    ("form", "depends"), [("static", False), ("twice", False), ("row", False), ("dynamic", True)]
)
def test_only_dynamic_ranges_make_answers_depend_on_batch_mates(
    form: str, depends: bool, tmp_path: Path
) -> None:
    from compress.quantize.mixed import applied, everything
    from compress.quantize.opened import write_model
    from compress.quantize.static import observed

    source = small_transformer(tmp_path / "float.onnx", outlier=8.0)
    given = [{"ids": ids(16, seed=n)} for n in range(2)]
    found = observed(source, given, cpu_flags=FLAGS, scratch=tmp_path)
    model = applied(found, everything(found.model, form=form))  # type: ignore[arg-type]
    path = write_model(model, tmp_path / "q.onnx").path
    share = changed_by_batch_mates(path, [{"ids": ids(8, seed=3)}])
    assert share is not None
    assert (share > 0.2) is depends
    assert share in {0.0} or depends


def test_operators_left_in_float_are_named_with_a_reason(tmp_path: Path) -> None:
    source = small_transformer(tmp_path / "float.onnx")
    found = quantize(source.path, path=tmp_path / "q.onnx", scheme="dynamic", cpu_flags=FLAGS)
    assert {(one.node, one.operator) for one in found.kept_float} == {
        ("close", "MatMul"),
        ("mixed", "MatMul"),
    }
    assert "two activations" in found.kept_float[0].reason


def test_a_file_that_loses_too_much_is_not_written(tmp_path: Path) -> None:
    (tmp_path / "small.onnx").write_bytes(b"earlier")
    found = made("weight-only-int4", tmp_path, drop=0.0)
    assert found.artifact is None
    assert "allowed: 0.00 pp" in found.reason
    assert (tmp_path / "small.onnx").read_bytes() == b"earlier"


def test_what_can_not_be_done_is_refused_by_name(tmp_path: Path) -> None:
    source = small_transformer(tmp_path / "float.onnx")
    with pytest.raises(InputError, match="unknown scheme 'int3'; one of auto, dynamic") as caught:
        quantize(source.path, path=tmp_path / "q", scheme="int3")
    assert all(scheme in str(caught.value) for scheme in SCHEMES)
    with pytest.raises(InputError, match="`static` needs samples"):
        quantize(source.path, path=tmp_path / "q", scheme="static")
    with pytest.raises(InputError, match="`auto` chooses by speed"):
        quantize(source.path, path=tmp_path / "q", data=ids(96), timed=False)
    with pytest.raises(InputError, match="is the float file itself"):
        quantize(source.path, path=source.path, scheme="dynamic")
    with pytest.raises(InputError, match="3 samples are too few"):
        quantize(source.path, path=tmp_path / "q", scheme="static", data=ids(3))


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ({"goal": "sped"}, "unknown goal 'sped'; one of speed, size"),
        ({"metric": "cosin"}, "unknown metric 'cosin'; one of accuracy, top1, cosine, nearest"),
        ({"method": "kl"}, "unknown method 'kl'; one of minmax, percentile, entropy, mse"),
    ],
)
def test_an_unknown_name_is_refused_with_those_that_there_are(
    setting: dict[str, str], said: str, tmp_path: Path
) -> None:
    source = small_transformer(tmp_path / "float.onnx")
    with pytest.raises(InputError, match=said):
        quantize(source.path, path=tmp_path / "q", scheme="static", data=ids(96), **setting)
    assert not (tmp_path / "q").exists()


def test_equal_inputs_give_equal_bytes(tmp_path: Path) -> None:
    source = small_transformer(tmp_path / "float.onnx")
    for scheme in ("dynamic", "row", "weight-only-int4", "bfloat16"):
        files = [
            quantize(source.path, path=tmp_path / f"{n}.onnx", scheme=scheme, cpu_flags=FLAGS)
            for n in range(2)
        ]
        assert files[0].artifact is not None
        assert files[1].artifact is not None
        assert files[0].artifact.digest == files[1].artifact.digest


def test_four_bits_are_packed_as_onnxruntime_unpacks_them() -> None:
    """Levels 0 to 15 of a block that runs from 0 to 15: the lower half of a byte comes first."""
    weight = np.arange(32, dtype=np.float32)[None] % 16
    packed, scales, zeros = blocks(weight, bits=4)
    assert packed[0, 0, :8].tolist() == [0x10, 0x32, 0x54, 0x76, 0x98, 0xBA, 0xDC, 0xFE]
    assert (scales.item(), zeros.tolist()) == (1.0, [[0]])


def test_halves_are_rounded_to_the_nearest_and_ties_to_even() -> None:
    """bfloat16 has 8 bits: 1 + 1/256 lies between 1 and 1 + 1/128, and 1 is even."""
    value = np.array([1.0 + 1 / 256, 1.0 + 3 / 256, -2.5], dtype=np.float32)
    bits = np.frombuffer(half_bytes(value, "bfloat16"), dtype="<u2").astype(np.uint32) << 16
    assert bits.view(np.float32).tolist() == [1.0, 1.0 + 4 / 256, -2.5]
    assert np.frombuffer(half_bytes(value, "float16"), dtype="<f2").tolist() == value.tolist()


def test_the_file_passes_the_full_check(tmp_path: Path) -> None:
    found = made("row", tmp_path)
    assert found.artifact is not None
    onnx.checker.check_model(str(found.artifact.path))
