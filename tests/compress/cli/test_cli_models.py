"""Verbs on models and weights: inspect, export, convert, bench."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch
from cli_models import save_mlp
from distil_command import assert_one_line_error, environment, kept
from safetensors.torch import load_file, save_file

MODULE = """
import torch
from torch import nn

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.line = nn.Linear(6, 3)

    def forward(self, images):
        return self.line(images.flatten(1)).relu()

def network():
    torch.manual_seed(1)
    return Net()

def unsteady():
    class Unsteady(Net):
        def forward(self, images):
            if torch.onnx.is_in_onnx_export() or torch.compiler.is_exporting():
                return super().forward(images) + 0.5
            return super().forward(images)
    return Unsteady()

def number():
    return 3

def wide():
    return nn.Linear(5, 3)
"""


def test_inspect_shows_operators_bytes_and_the_largest_tensors(call, tmp_path: Path) -> None:
    save_mlp(tmp_path / "a.onnx", width=1024)
    result = call("inspect", "a.onnx", "--json", "out.json")
    assert result.code == 0
    assert "operators   MatMul 2" in result.out
    assert "layer0.a" in result.out
    assert "32 KiB" in result.out or "32.0 KiB" in result.out
    assert "input       x: float32 (batch, 8)" in result.out
    found = kept(tmp_path / "out.json")["result"]
    assert found["parameters"] == 2 * 8 * 1024
    assert found["operators"] == {"MatMul": 2}


def test_inspect_of_two_files_says_what_grew(call, tmp_path: Path) -> None:
    save_mlp(tmp_path / "a.onnx", width=8)
    save_mlp(tmp_path / "b.onnx", width=16, layers=2)
    result = call("inspect", "a.onnx", "b.onnx")
    assert result.code == 0
    assert "parameters  128 -> 512 (+384)" in result.out
    assert "MatMul" in result.out
    assert "2 -> 4 (+2)" in result.out
    assert call("inspect", "a.onnx", "a.onnx").out.splitlines()[-1] == "the same bytes"


def test_a_web_page_saved_as_onnx_is_refused_by_every_verb_that_opens_one(
    call, tmp_path: Path
) -> None:
    (tmp_path / "page.onnx").write_text("<!DOCTYPE html><html><body>404</body></html>")
    for verb in (["inspect"], ["bench"]):
        result = call(*verb, "page.onnx")
        assert result.code == 2
        assert_one_line_error(result, "page.onnx", "HTML")


def test_export_writes_a_file_that_computes_what_the_module_does(call, tmp_path: Path) -> None:
    (tmp_path / "model.py").write_text(MODULE)
    torch.manual_seed(5)
    weights = {"line.weight": torch.randn(3, 6), "line.bias": torch.randn(3)}
    save_file(weights, tmp_path / "w.safetensors")
    result = call(
        *("export", "model.py:network", "net.onnx", "--shape", "2,3"),
        *("--weights", "w.safetensors", "--json", "out.json"),
    )
    assert result.code == 0, result.err
    assert kept(tmp_path / "out.json")["result"]["parity"]["passed"] is True
    session = onnxruntime.InferenceSession(tmp_path / "net.onnx")
    images = np.ones((5, 2, 3), dtype=np.float32)
    expected = (weights["line.weight"].sum(1) + weights["line.bias"]).relu()
    assert np.allclose(session.run(None, {"images": images})[0], expected, atol=1e-5)


@pytest.mark.parametrize(
    ("target", "code", "parts"),
    [
        ("model.py:absent", 2, ("absent",)),
        ("model.py:number", 2, ("int", "torch module")),
        ("model.py:unsteady", 4, ("differs", "--tolerance")),
        ("model.py:wide", 2, ("does not answer float32 inputs of shape (2, 2, 3)", "--shape")),
    ],
)
def test_export_that_fails_leaves_the_earlier_file(
    call, tmp_path: Path, target: str, code: int, parts: tuple[str, ...]
) -> None:
    (tmp_path / "model.py").write_text(MODULE)
    (tmp_path / "net.onnx").write_bytes(b"earlier")
    result = call("export", target, "net.onnx", "--shape", "2,3")
    assert result.code == code, result.err
    assert_one_line_error(result, *parts)
    assert (tmp_path / "net.onnx").read_bytes() == b"earlier"
    assert {path.name for path in tmp_path.iterdir()} <= {"model.py", "net.onnx", "__pycache__"}


def test_export_of_a_folder_says_that_it_is_to_come(call, tmp_path: Path) -> None:
    (tmp_path / "bert").mkdir()
    result = call("export", "bert", "net.onnx", "--shape", "3")
    assert result.code == 2
    assert_one_line_error(result, "transformers")


def test_convert_keeps_tensors_and_refuses_the_rest(call, tmp_path: Path) -> None:
    tensors = {"a": torch.arange(6.0).reshape(2, 3), "b": torch.ones(2, dtype=torch.int64)}
    torch.save(tensors, tmp_path / "in.pt")
    result = call("convert", "in.pt", "out.safetensors")
    assert result.code == 0, result.err
    assert torch.equal(load_file(tmp_path / "out.safetensors")["a"], tensors["a"])
    torch.save({"a": Path("x")}, tmp_path / "odd.pt")
    refused = call("convert", "odd.pt", "odd.safetensors")
    assert refused.code == 2
    assert_one_line_error(refused, "odd.pt")
    assert not (tmp_path / "odd.safetensors").exists()


def test_bench_measures_two_files_side_by_side(call, tmp_path: Path) -> None:
    save_mlp(tmp_path / "small.onnx", width=8)
    save_mlp(tmp_path / "large.onnx", width=8192, layers=2)
    np.save(tmp_path / "x.npy", np.ones((4, 8), dtype=np.float32))
    arguments = ("--batch", "1", "--epochs", "3", "--data", "x.npy", "--json", "out.json")
    result = call("bench", "small.onnx", "large.onnx", *arguments)
    assert result.code == 0, result.err
    assert "small.onnx" in result.out
    assert "large.onnx against small.onnx (batch 1, cpu): " in result.out
    assert "no change could be seen: 10 epochs are the fewest" in result.out
    assert "3 epochs can't give a verdict: at least 10 are needed" in result.err
    assert "k=3" in result.out
    assert "cpu, 1 thread" in result.out.splitlines()[0]  # said once, not in every row
    found = kept(tmp_path / "out.json")["result"]
    assert [m["subject"] for m in found["measurements"]] == ["small.onnx", "large.onnx"]
    latency = found["measurements"][0]["cells"][0]["latency"]
    assert len(latency["samples_ns"]) == 3
    assert latency["p50_ms"] > 0
    assert found["comparisons"][0]["speedup"] < 1


@pytest.mark.slow
def test_bench_rows_stay_on_one_line_of_80_columns(
    call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    save_mlp(tmp_path / "student.onnx", width=8)
    result = call("bench", "student.onnx", "--batch", "1,32", "--epochs", "3", "--aa")
    rows = [line for line in result.out.splitlines() if "/s" in line]
    assert len(rows) == 4
    assert max(map(len, rows)) <= 80
    assert [row.count("us") + row.count("ms") for row in rows] == [3, 3, 3, 3]  # with the floor
    assert "empty" in result.out
    assert "\nstudent.onnx (again): " in result.out
    assert result.out.count("cold start") == 2


def test_bench_draws_a_sweep_into_one_page(call, tmp_path: Path) -> None:
    save_mlp(tmp_path / "a.onnx")
    arguments = ("--batch", "1,2,8", "--epochs", "1", "--plot", "sweep.html", "--json", "out.json")
    result = call("bench", "a.onnx", *arguments, "--benchmark-json", "bench.json")
    assert result.code == 0, result.err
    rows = json.loads((tmp_path / "bench.json").read_text())["benchmarks"]
    assert [row["params"]["batch"] for row in rows] == [1, 2, 8]
    assert all(row["stats"]["rounds"] == len(row["stats"]["data"]) > 1 for row in rows)
    page = (tmp_path / "sweep.html").read_text()
    assert page.count("<svg") == 2
    assert "Latency against batch size" in page
    assert page.count("<circle") == 6
    assert "<script" not in page
    assert "http" not in page.replace("http-equiv", "")
    found = kept(tmp_path / "out.json")["result"]
    (model,) = found["measurements"]
    assert model["contents"]["operators"] == {"MatMul": 2}
    assert model["contents"]["tensor_bytes"]["float32"] == 4 * model["contents"]["parameters"]
    assert [floor["setting"]["batch"] for floor in found["floors"]] == [1, 2, 8]
    assert model["cells"][0]["memory"]["load_peak_bytes"] > 0
    assert call("bench", "a.onnx", "--plot", "no/where.html").code == 2


def test_bench_under_load_gives_percentiles_by_offered_rate(call, tmp_path: Path) -> None:
    save_mlp(tmp_path / "a.onnx")
    options = ("--sessions", "2", "--seconds", "200ms", "--plot", "load.html", "--json", "out.json")
    result = call("bench", "a.onnx", "--load", "400,2000", *options)
    assert result.code == 0, result.err
    rows = [line for line in result.out.splitlines() if line.count("/s") == 2]
    assert len(rows) == 2
    assert "2 sessions of 1 thread, batch 1, cpu" in result.out
    points = kept(tmp_path / "out.json")["result"]["points"]
    assert [point["offered_per_s"] for point in points] == [400, 2000]
    assert all(len(point["samples_ns"]) == 662 for point in points)
    assert "Latency against offered rate" in (tmp_path / "load.html").read_text()
    floor = kept(tmp_path / "out.json")["result"]["floor_ms"]
    assert ("empty" in result.out) == (floor is not None)
    for arguments, words in [
        (("a.onnx", "a.onnx", "--load", "5"), ("one file",)),
        (("a.onnx", "--load", "fast"), ("--load", "50,100")),
        (("a.onnx", "--load", "5", "--batch", "1,2"), ("--batch",)),
        (("a.onnx", "--load", "5", "--benchmark-json", "x.json"), ("--benchmark-json", "--load")),
        (("a.onnx", "--load", "5", "--seconds", "3"), ("--seconds", "unit")),
    ]:
        refused = call("bench", *arguments)
        assert refused.code == 2
        assert_one_line_error(refused, *words)


def test_bench_refuses_what_could_never_answer(call, tmp_path: Path) -> None:
    save_mlp(tmp_path / "a.onnx")
    save_mlp(tmp_path / "b.onnx", width=9)
    for arguments, words in [
        (("a.onnx", "b.onnx", "--epochs", "9", "--fail-on", "slower"), ("never", "at least 10")),
        (("a.onnx", "--fail-on", "slower"), ("two files",)),
        (("a.onnx", "--resolve"), ("two files",)),
        (("a.onnx", "b.onnx", "--resolve", "--epochs", "12"), ("--epochs", "--time-limit")),
        (("a.onnx", "b.onnx", "--change", "2%"), ("--resolve",)),
        (("a.onnx", "b.onnx", "--resolve", "--change", "2"), ("--change", "2%")),
        (("a.onnx", "b.onnx", "--resolve", "--change", "1%"), ("1%", "2%")),
        (("a.onnx", "b.onnx", "--time-limit", "5"), ("--time-limit", "unit")),
    ]:
        result = call("bench", *arguments)
        assert result.code == 2
        assert_one_line_error(result, *words)


def test_bench_says_which_shapes_are_missing(call, tmp_path: Path) -> None:
    import onnx

    model = onnx.load(save_mlp(tmp_path / "open.onnx"))
    model.graph.input[0].type.tensor_type.shape.dim[1].dim_param = "length"
    onnx.save(model, tmp_path / "open.onnx")
    result = call("bench", "open.onnx")
    assert result.code == 2
    assert_one_line_error(result, "--shape x=batch,")


def test_bench_refuses_pickled_samples(call, tmp_path: Path) -> None:
    save_mlp(tmp_path / "a.onnx")
    np.save(tmp_path / "x.npy", np.array([{}], dtype=object), allow_pickle=True)
    result = call("bench", "a.onnx", "--data", "x.npy")
    assert result.code == 2
    assert_one_line_error(result, "x.npy", "numpy.save")


@pytest.mark.parametrize(
    ("start", "arguments"),
    [
        (["-P", "-m", "compress"], ["bench", "a.onnx", "--batch", "1", "--epochs", "1"]),
        (["-P", "-m", "compress"], ["convert", "w.pt", "w.safetensors"]),
        (["bin/distil"], ["export", "model.py:network", "b.onnx", "--shape", "2,3"]),
    ],
)
def test_folders_of_our_names_do_not_stand_in_for_us(
    tmp_path: Path, start: list[str], arguments: list[str]
) -> None:
    """A user's repository may hold its own benchmarks/: program, workers and exports ignore it."""
    for name in ("benchmarks", "compress", "exporters"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text("raise SystemExit('the wrong package')\n")
    (tmp_path / "model.py").write_text(MODULE)
    save_mlp(tmp_path / "a.onnx")
    torch.save({"a": torch.ones(3)}, tmp_path / "w.pt")
    (tmp_path / "bin").mkdir()  # the console script, as pip writes it
    (tmp_path / "bin" / "distil").write_text("from compress.cli.main import main\nmain()\n")
    done = subprocess.run(
        [sys.executable, *start, *arguments],
        cwd=tmp_path,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
