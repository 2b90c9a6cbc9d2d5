"""`distil gate --explain` on real files: what grew, what takes most, and what to try."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper, save

from compress.cli.main import run_command

GATE = """\
schema: 1
candidate: student.onnx
teacher: {onnx: teacher.onnx}
baseline: {model: released.onnx}
budgets:
  - {id: size, metric: file_bytes, vs: baseline, max_increase: 5%}
  - {id: small, metric: file_bytes, vs: teacher, max_ratio: 0.9x}
  - {id: params, metric: params, vs: baseline, max_increase: 5%}
  - {id: macs, metric: macs, vs: baseline, max_increase: 5%}
"""


def save_words(
    path: Path, *, words: int, width: int = 50, classes: int = 8, layers: int = 0
) -> None:
    """ids (n) -> rows of embed (words, width) -> MatMul and Relu, layers times -> (n, classes)."""
    rng = np.random.default_rng(0)

    def drawn(*shape: int) -> NDArray[np.float32]:
        return rng.standard_normal(shape).astype(np.float32)

    weights = {"embed": drawn(words, width), "head": drawn(width, classes)}
    nodes, last = [helper.make_node("Gather", ["embed", "ids"], ["h"])], "h"
    for layer in range(layers):
        weights[f"mix{layer}"] = drawn(width, width)
        nodes.append(helper.make_node("MatMul", [last, f"mix{layer}"], [f"m{layer}"]))
        nodes.append(helper.make_node("Relu", [f"m{layer}"], [f"r{layer}"]))
        last = f"r{layer}"
    nodes.append(helper.make_node("MatMul", [last, "head"], ["scores"]))
    value = helper.make_tensor_value_info
    graph = helper.make_graph(
        nodes,
        "words",
        [value("ids", TensorProto.INT64, ["n"])],
        [value("scores", TensorProto.FLOAT, ["n", classes])],
        [numpy_helper.from_array(array, name) for name, array in weights.items()],
    )
    save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10), path)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Since the release: 300 words more, one layer more, and four classes in place of eight."""
    save_words(tmp_path / "released.onnx", words=3000)
    save_words(tmp_path / "student.onnx", words=3300, layers=1, classes=4)
    save_words(tmp_path / "teacher.onnx", words=3300, layers=2, classes=4)
    (tmp_path / "distil.gate.yaml").write_text(GATE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DISTIL_CACHE", str(tmp_path / "cache"))
    assert run_command(["gate", "--measure", "-q"]) == 1
    return tmp_path


def explained(capsys: pytest.CaptureFixture[str], budget: str) -> dict[str, list[str]]:
    """The blocks below the judged lines, by their titles."""
    capsys.readouterr()
    assert run_command(["gate", "--explain", budget]) == 1
    title, blocks = "", dict[str, list[str]]()
    for line in capsys.readouterr().out.splitlines():
        if line.startswith("    "):
            blocks[title].append(line.strip())
        elif line.endswith(":"):
            title = line.strip(" :")
            blocks[title] = []
    return blocks


def test_what_grew_since_the_baseline_is_named_with_its_shapes(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """300 rows of 50 floats are 60,000 B; a layer of 50 x 50 is 10,000 B; the head lost 800 B."""
    for budget in ("size", "params", "macs"):
        total, *rows = explained(capsys, budget)["since baseline"]
        assert total == "+67.6 KiB of the file"  # 69,200 B of weights, and the nodes
        assert rows == [
            "+58.6 KiB embed [3000, 50] -> [3300, 50]",
            "+9.77 KiB mix0 absent -> [50, 50]",
            "-800 B of what shrank or went",
            "operators: +1 MatMul, +1 Relu",
        ]


def test_what_differs_from_the_teacher_is_told_beside(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert explained(capsys, "small")["since teacher"][1:] == [
        "-9.77 KiB of what shrank or went",
        "operators: -1 MatMul, -1 Relu",
    ]


def test_the_largest_tensors_say_what_int8_would_save(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Three quarters of four bytes a number; below 1 KiB it is not worth a word."""
    assert explained(capsys, "size")["largest tensors"] == [
        "embed 645 KiB float32 (98 %)  <- int8 would save 483 KiB",
        "mix0 9.77 KiB float32 (1.5 %)  <- int8 would save 7.32 KiB",
        "head 800 B float32 (0.12 %)",
    ]
    assert "largest tensors" not in explained(capsys, "params")


@pytest.mark.parametrize(
    ("budget", "first"),
    [
        ("size", "`distil run recipe.yaml --set quantize.kind=auto`, or a smaller student"),
        ("params", "a narrower or shallower student in the recipe"),
        ("macs", "fewer channels or an earlier stride in the student"),
    ],
)
def test_what_to_try_begins_with_the_metrics_own_and_ends_with_a_waiver(
    folder: Path, capsys: pytest.CaptureFixture[str], budget: str, first: str
) -> None:
    tries = explained(capsys, budget)["try"]
    assert tries[0] == first
    assert tries[-1] == (
        f"or accept it: `distil gate waive {budget} --until DATE --reason .. "
        "--file distil.gate.yaml`"
    )


def test_a_budget_that_is_met_needs_no_try(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "distil.gate.yaml").write_text(GATE.replace("max_ratio: 0.9x", "max_ratio: 1x"))
    assert "try" not in explained(capsys, "small")


def test_many_that_grew_are_counted(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    save_words(folder / "student.onnx", words=3300, layers=7)
    assert run_command(["gate", "--measure", "-q"]) == 1
    rows = explained(capsys, "size")["since baseline"]
    assert [row.split()[2] for row in rows[1:6]] == ["embed", "mix0", "mix1", "mix2", "mix3"]
    assert rows[6:] == ["and 3 more that grew", "operators: +7 MatMul, +7 Relu"]
