"""Files are judged in every output and at the batch that is served; the worst counts."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from small_transformer import ids, small_transformer

from compress.errors import InputError
from compress.quantize.api import quantize
from compress.quantize.fidelity import answers, fidelity
from compress.quantize.judge import Judge, rebatched
from compress.quantize.samples import split_samples
from exporters.artifact import open_artifact


def two_outputs(path: Path, *, spoilt: float, total: bool = False) -> Path:
    """x: (n, 4) -> `scores`, x times 2, and `boxes`: x, or x with its first number spoilt. total:
    before them an output without a batch axis."""
    factors = np.array([spoilt, 1, 1, 1], np.float32)
    stored = {"factors": factors, "two": np.float32(2), "all": np.array([0, 1])}
    nodes = [
        helper.make_node("Mul", ["x", "two"], ["scores"]),
        helper.make_node("Mul", ["x", "factors"], ["boxes"]),
        helper.make_node("ReduceSum", ["scores", "all"], ["total"], keepdims=0),
    ]
    shapes: dict[str, list[int | str]] = {"scores": ["n", 4], "boxes": ["n", 4]}
    if total:
        shapes = {"total": [], **shapes}
    graph = helper.make_graph(
        nodes,
        "two",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 4])],
        [helper.make_tensor_value_info(k, TensorProto.FLOAT, v) for k, v in shapes.items()],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in stored.items()],
    )
    onnx.save(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10), path
    )
    return path


def one_number(path: Path, *, times: float = 1.0, plus: float = 0.0, before: bool = False) -> Path:
    """x: (n, 4) -> `price`, (n, 1): 100 and the sum of x, times and plus something. before: behind
    an output of four numbers."""
    stored = {
        "ones": np.ones((4, 1), np.float32), "base": np.float32(100),
        "times": np.float32(times), "plus": np.float32(plus),
    }  # fmt: skip
    nodes = [
        helper.make_node("MatMul", ["x", "ones"], ["sum"]),
        helper.make_node("Add", ["sum", "base"], ["exact"]),
        helper.make_node("Mul", ["exact", "times"], ["more"]),
        helper.make_node("Add", ["more", "plus"], ["price"]),
        helper.make_node("Add", ["x", "x"], ["boxes"]),
    ]
    shapes: dict[str, list[int | str]] = {"price": ["n", 1]}
    if before:
        shapes = {"boxes": ["n", 4], **shapes}
    graph = helper.make_graph(
        nodes,
        "one",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 4])],
        [helper.make_tensor_value_info(k, TensorProto.FLOAT, v) for k, v in shapes.items()],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in stored.items()],
    )
    onnx.save(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10), path
    )
    return path


def _judge(folder: Path, *, max_drop: float, total: bool = False) -> Judge:
    source = two_outputs(folder / "float.onnx", spoilt=1.0, total=total)
    rows = np.random.default_rng(0).random((96, 4)).astype(np.float32)
    return Judge(
        source,
        split_samples(rows, open_artifact(source).inputs),
        metric="top1",
        max_drop=max_drop,
        batch=1,
        threads=1,
    )


@pytest.mark.parametrize("total", [False, True])
def test_a_second_output_that_is_spoilt_is_told_by_name(total: bool, tmp_path: Path) -> None:
    """By hand: the cosine of (a, b, c, d) and (-9 a, b, c, d) is mostly below zero."""
    judge = _judge(tmp_path, max_drop=0.01, total=total)
    same = judge(two_outputs(tmp_path / "same.onnx", spoilt=1.0, total=total), False)
    assert (same.metric, same.output, same.drop) == ("top1", "", 0.0)
    found = judge(two_outputs(tmp_path / "spoilt.onnx", spoilt=-9.0, total=total), False)
    assert (found.metric, found.output) == ("cosine", "boxes")
    assert found.drop > 0.5
    assert "pp of cosine of the output `boxes` on 64 samples (allowed: 1.00 pp)" in found.lost(0.01)


def test_what_another_output_may_lose_leaves_the_answer_in_front(tmp_path: Path) -> None:
    judge = _judge(tmp_path, max_drop=0.1)
    found = judge(two_outputs(tmp_path / "near.onnx", spoilt=1.2), False)
    assert (found.metric, found.output, found.drop) == ("top1", "", 0.0)


def test_an_output_without_a_batch_axis_is_not_the_answer(tmp_path: Path) -> None:
    path = two_outputs(tmp_path / "float.onnx", spoilt=1.0, total=True)
    rows = np.random.default_rng(0).random((8, 4)).astype(np.float32)
    np.testing.assert_allclose(answers(path, [{"x": rows}]), 2 * rows)


@pytest.mark.parametrize("before", [False, True])
def test_one_number_is_judged_by_its_error_and_not_by_its_sign(
    before: bool, tmp_path: Path
) -> None:
    """All are about 102 with a deviation of 0.58, so that any such file has cosines of 1."""
    source = one_number(tmp_path / "float.onnx", before=before)
    rows = np.random.default_rng(0).random((96, 4)).astype(np.float32)
    samples = split_samples(rows, open_artifact(source).inputs)
    judge = Judge(source, samples, metric=None, max_drop=0.005, batch=1, threads=1)
    assert judge.metric == ("top1" if before else "cosine")
    exact = answers(source, samples.held_out)[:, 0]
    held = np.concatenate([feeds["x"] for feeds in samples.held_out]).sum(1) + 100.0
    if not before:
        np.testing.assert_allclose(exact, held, rtol=1e-6)

    def lost(**change: float) -> float:
        found = judge(one_number(tmp_path / "made.onnx", before=before, **change), False)
        assert found.output == ("price" if before and found.drop else "")
        return found.drop

    assert lost() == 0.0
    deviation = float(held.std())
    for part in (0.2, 0.5, 1.0):  # of a deviation: by hand, half of its square
        assert lost(plus=part * deviation) == pytest.approx(part**2 / 2, rel=1e-3)
    assert lost(times=0.5) == pytest.approx(2.0)  # off by 90 deviations: as an opposite vector
    # A file that always gives the mean: half, less what errors beyond two deviations count less.
    assert 0.4 < lost(times=0.0, plus=float(held.mean())) <= 0.5


def test_one_number_is_no_class_whatever_labels_are_there(tmp_path: Path) -> None:
    """Its largest number is always the first: accuracy and top1 pass any file."""
    source = one_number(tmp_path / "float.onnx")
    rows = np.random.default_rng(0).random((96, 4)).astype(np.float32)
    data = {"x": rows, "labels": np.zeros(96, np.int64)}
    samples = split_samples(data, open_artifact(source).inputs)
    assert samples.labels is not None
    settings = {"max_drop": 0.005, "batch": 1, "threads": 1}
    assert Judge(source, samples, metric=None, **settings).metric == "cosine"
    for metric in ("accuracy", "top1", "nearest"):
        with pytest.raises(InputError, match=f"`{metric}` compares several numbers per sample"):
            Judge(source, samples, metric=metric, **settings)


def test_what_is_no_number_is_lost_and_numbers_that_do_not_vary_are_their_own_scale() -> None:
    exact = np.array([[1.0], [3.0], [np.inf], [5.0]])
    found = fidelity(exact, np.array([[1.0], [np.nan], [np.inf], [5.0]]), metric="cosine")
    assert found.value == pytest.approx(0.5)
    same = np.full((4, 1), 10.0)
    assert fidelity(same, same, metric="cosine").value == 1.0
    assert fidelity(same, same * 1.1, metric="cosine").value == pytest.approx(1 - 0.1**2 / 2)
    nothing = np.zeros((4, 1))
    assert fidelity(nothing, nothing, metric="cosine").value == 1.0
    assert fidelity(nothing, nothing + 1e-9, metric="cosine").value == -1.0


def test_samples_are_put_into_batches_of_another_size_in_their_order() -> None:
    short = [{"x": np.arange(6).reshape(3, 2) + 6 * n, "k": np.float32(1)} for n in range(3)]
    long = {"x": np.full((4, 5), 7), "k": np.float32(1)}
    found = list(rebatched([*short, long], 4))
    assert [feeds["x"].shape for feeds in found] == [(4, 2), (4, 2), (1, 2), (4, 5)]
    together = np.concatenate([feeds["x"] for feeds in found[:3]])
    assert together.tolist() == np.arange(18).reshape(9, 2).tolist()
    assert [feeds["x"].shape[0] for feeds in rebatched(short, 1)] == [1] * 9


def test_dynamic_int8_is_judged_at_the_batch_that_is_served(tmp_path: Path) -> None:
    """One range over 64 texts is wider than one over 8, so that more is lost there."""
    source = small_transformer(tmp_path / "float.onnx", outlier=30.0)
    lost = {}
    for batch in (8, 64):
        made = quantize(
            source.path, path=tmp_path / f"{batch}.onnx", scheme="dynamic", data=ids(240),
            metric="cosine", max_drop=1.0, batch=batch, timed=False, cpu_flags=("avx2",),
        )  # fmt: skip
        assert made.fidelity is not None
        lost[batch] = made.fidelity
    assert lost[8].batch is None  # the samples come in batches of 8
    assert (lost[64].batch, lost[64].samples) == (64, lost[8].samples)
    assert lost[64].drop > lost[8].drop
    limit = (lost[64].drop + lost[8].drop) / 2
    refused = quantize(
        source.path, path=tmp_path / "none.onnx", scheme="dynamic", data=ids(240),
        metric="cosine", max_drop=limit, batch=64, timed=False, cpu_flags=("avx2",),
    )  # fmt: skip
    assert refused.artifact is None
    assert "at batch 64 (allowed: " in refused.reason


def test_a_batch_that_the_file_does_not_take_is_refused(tmp_path: Path) -> None:
    source = small_transformer(tmp_path / "float.onnx").path
    model = onnx.load(source)
    model.graph.input[0].type.tensor_type.shape.dim[0].dim_value = 4
    onnx.save(model, source)
    settings = {"scheme": "dynamic", "data": ids(96), "metric": "cosine", "max_drop": 1.0}
    with pytest.raises(InputError, match="takes batches of 4: the first axis of `ids` is fixed"):
        quantize(source, path=tmp_path / "q.onnx", batch=64, timed=False, **settings)
    for batch in (None, 4):
        made = quantize(source, path=tmp_path / "q.onnx", batch=batch, timed=False, **settings)
        assert made.artifact is not None
