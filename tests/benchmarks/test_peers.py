"""The table of quantizers: what a row has to hold, what the table has to hold, what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper

from benchmarks.pace import QUICK
from benchmarks.suites.peers.__main__ import main
from benchmarks.suites.peers.fitting import Images
from benchmarks.suites.peers.networks import NETWORKS, Frame
from benchmarks.suites.peers.page import page
from benchmarks.suites.peers.row import Options, _kept, row_of
from benchmarks.suites.peers.sides import DYNAMIC, FLOAT, NNCF, OURS, STATIC, Sides
from benchmarks.suites.peers.verdict import judged, shortcomings


def side(value: float, error: float = 0.0006, ours: float = 0.90) -> dict[str, Any]:
    """error: of the difference from ours."""
    return {"value": value, "ours_above": [ours - value, error], "cosine": 0.995}


def time(ratio: float) -> dict[str, float]:
    """Ours over theirs."""
    return {"ratio": ratio, "low": ratio - 0.01, "high": ratio + 0.01}


def row(network: str = "a", **changes: Any) -> dict[str, Any]:
    """Ours has 90 % right, NNCF 90.2 %."""
    made: dict[str, Any] = {
        "network": network,
        "kind": "listed",
        "cpu_model": "cpu",
        "versions": {"nncf": "3"},
        "failed": {},
        "ours": {"chosen": "static", "ships_float": False},
        "openvino": {"float": {"onnxruntime": 2.0, "openvino": 1.0}},
        "sides": {
            OURS: side(0.90),
            FLOAT: side(0.905),
            STATIC: side(0.899),
            DYNAMIC: side(0.86),
            NNCF: side(0.902),
        },
        "speed": {FLOAT: time(0.5), STATIC: time(0.99), DYNAMIC: time(1.5), NNCF: time(0.9)},
    }
    return {**made, **changes}


def test_a_row_holds_where_no_rival_is_faster_and_none_is_more_accurate() -> None:
    """Dynamic is faster, and 4 pp below ours: no rival."""
    found = judged(row())
    assert found.holds
    assert found.gap == pytest.approx((-0.002, -0.002 - 1.96 * 0.0006, -0.002 + 1.96 * 0.0006))


def test_a_row_says_what_it_lacks() -> None:
    slow = row()
    slow["speed"] = {**slow["speed"], STATIC: time(1.02)}
    assert judged(slow).missed == ("1.02 of the time of onnxruntime static (1.01 to 1.03)",)
    worse = row()
    worse["sides"] = {**worse["sides"], NNCF: side(0.904)}
    (said,) = judged(worse).missed
    assert said.startswith("0.40 pp below nncf (")
    failed = judged(row(error="RuntimeError: no"))
    assert failed.missed == ("failed: RuntimeError: no",)


def test_two_of_ten_rows_may_lack_something() -> None:
    slow = {FLOAT: time(0.5), STATIC: time(1.1), DYNAMIC: time(1.5), NNCF: time(0.9)}
    rows = [row(str(n), **({"speed": slow} if n < 2 else {})) for n in range(10)]
    assert shortcomings(rows, wanted=10) == []
    rows[2] = {**rows[2], "speed": slow}
    assert shortcomings(rows, wanted=11) == [
        "1 of 11 networks are not done",
        "7 of 10 rows hold, 8 are due",
    ]


def test_the_listed_networks_are_held_to_float_one_by_one_and_on_the_whole() -> None:
    times = {STATIC: time(0.9), DYNAMIC: time(0.9), NNCF: time(0.9)}
    far = {**row()["sides"], OURS: {**side(0.90), "cosine": 0.98}}
    rows = [
        row("quick", speed={FLOAT: time(0.4), **times}),
        row("slow", speed={FLOAT: time(1.2), **times}, sides=far),
    ]
    assert shortcomings(rows, wanted=2) == [
        "1 of 2 rows hold, 2 are due",
        "not proven to be no slower than float: slow",
        "logit cosine below 0.99: slow",
        "1.44x over float in the geometric mean, 1.8x are due",
    ]


def test_the_page_names_every_number_of_a_row() -> None:
    text = page([row(), row("b", error="no | pipe")], wanted=2)
    line = next(line for line in text.splitlines() if line.startswith("| a (listed)"))
    assert "| static | 2.00x (1.96 to 2.04) |" in line
    assert "| 0.90 (0.89 to 0.91), at 90.20 |" in line
    assert "| 90.00, 90.50, 90.20 | -0.20 (-0.32 to -0.08) | 0.9950 | yes |" in line
    assert "no: failed: no / pipe" in text
    assert "| a | float 2.00x |" in text
    assert "1 of 2 rows hold" in text


def test_what_cannot_work_is_said_before_anything_runs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for arguments, said in (
        (["resnet-51"], "no network resnet-51"),
        (["--tiny"], "give --results FILE"),
        (["--results", str(tmp_path / "r"), "--packages", str(tmp_path)], "pip install --target"),
    ):
        with pytest.raises(SystemExit):
            main(arguments)
        assert said in capsys.readouterr().err
    assert main(["--results", str(tmp_path / "r"), "--list", "vit-base"]) == 0
    assert "vit-base: about 19 min\n1 networks to do" in capsys.readouterr().out


def test_no_unit_takes_more_than_twenty_minutes_and_depthwise_ones_are_among_them() -> None:
    assert max(entry.minutes for entry in NETWORKS.values()) <= 20
    assert len(NETWORKS) >= 10
    assert sum(entry.depthwise for entry in NETWORKS.values()) >= 3


def test_what_a_side_keeps_is_told_image_by_image(tmp_path: Path) -> None:
    """Of four images ours has three right and the other one two: 0.25 above, one image in four."""
    pixels = np.zeros((4, 1, 28, 28), dtype=np.uint8)
    pixels[range(4), 0, 0, range(4)] = 255
    images = Images(pixels=pixels, labels=np.array([0, 1, 2, 0]), frame=Frame(28))
    files = {
        OURS: scorer(tmp_path / "a", [0, 1, 2, 3]),
        STATIC: scorer(tmp_path / "b", [0, 1, 3, 2]),
    }
    sides = Sides(files={**files, FLOAT: files[OURS]}, failed={}, facts={})
    kept = _kept(sides, images, has_accuracy=True)
    assert (kept[OURS]["value"], kept[STATIC]["value"]) == (0.75, 0.5)
    assert kept[STATIC]["ours_above"] == pytest.approx([0.25, (3 / 16 / 4) ** 0.5])
    near = _kept(sides, images, has_accuracy=False)
    assert (near[OURS]["value"], near[STATIC]["value"]) == pytest.approx((1.0, 0.5))


def scorer(path: Path, classes: list[int]) -> Path:
    """A file that gives an image with its one bright pixel in column k the class classes[k]."""
    weight = np.zeros((28 * 28, 4), dtype=np.float32)
    weight[range(4), classes] = 1.0
    nodes = [
        helper.make_node("Flatten", ["images"], ["flat"]),
        helper.make_node("MatMul", ["flat", "weight"], ["scores"]),
    ]
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("images", TensorProto.FLOAT, ["n", 1, 28, 28])],
        [helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["n", 4])],
        [numpy_helper.from_array(weight, "weight")],
    )
    opset = helper.make_opsetid("", 17)
    onnx.save(helper.make_model(graph, opset_imports=[opset], ir_version=8), path)
    return path


def test_larger_networks_get_three_normalised_channels() -> None:
    framed = Frame(64)(torch.full((2, 1, 28, 28), 0.286))
    assert framed.shape == (2, 3, 64, 64)
    assert float(framed.abs().max()) == pytest.approx(0.0, abs=1e-6)


@pytest.mark.slow
def test_a_row_is_made_where_a_peer_fails(tmp_path: Path) -> None:
    """Without NNCF: its reason, and every number of the others."""
    options = Options(packages=tmp_path, epochs=2, most_epochs=2, tiny=True, pace=QUICK)
    found = row_of("separable", NETWORKS["separable"], options)
    assert "error" not in found
    assert "No module named 'nncf'" in found["failed"][NNCF]
    assert set(found["sides"]) == set(found["speed"]) == {OURS, FLOAT, STATIC, DYNAMIC}
    assert "error" in found["openvino"]
