"""predict.py as it stands in a run folder: in a process of its own, without the project."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper
from PIL import Image
from test_publish import FACTS

from compress.pipeline.manifest import Preprocessing
from compress.pipeline.publish import predict_source, publish, waveform_source
from compress.pipeline.verify import verify_run
from compress.tasks.image_decode import decode_image
from compress.tasks.waveform import log_mel, read_waveform
from tests.compress.tasks.sounds import tone, wav

HEIGHT, WIDTH = 4, 6
CLASSES = ("dark", "bright")


def model(channels: int) -> bytes:
    """logits: (0.5 - mean, mean - 0.5) * 10 over the scaled image."""
    shape = ["batch", channels, HEIGHT, WIDTH]
    nodes = [
        helper.make_node("ReduceMean", ["images"], ["mean"], axes=[1, 2, 3], keepdims=0),
        helper.make_node("Unsqueeze", ["mean", "one"], ["column"]),
        helper.make_node("Sub", ["column", "half"], ["centred"]),
        helper.make_node("Mul", ["centred", "signs"], ["logits"]),
    ]
    constants = [
        helper.make_tensor("one", TensorProto.INT64, [1], [1]),
        helper.make_tensor("half", TensorProto.FLOAT, [1], [0.5]),
        helper.make_tensor("signs", TensorProto.FLOAT, [1, 2], [-10.0, 10.0]),
    ]
    graph = helper.make_graph(
        nodes,
        "toy",
        [helper.make_tensor_value_info("images", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", 2])],
        constants,
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(made)
    return made.SerializeToString()


def make_run(
    folder: Path, *, channels: int = 1, resize: str | None = None, side: int | None = None
) -> Path:
    shape = (channels, HEIGHT, WIDTH) if side is None else (channels, side, side)
    made = Preprocessing(input_name="images", shape=shape, scale=1 / 255, resize=resize)
    folder.mkdir(parents=True, exist_ok=True)
    publish(
        {"student.onnx": model(channels), "predict.py": predict_source()},
        folder,
        facts=replace(FACTS, classes=CLASSES, preprocessing=made),
    )
    return folder


def call(run: Path, *arguments: str | Path, block: str = "") -> subprocess.CompletedProcess[str]:
    """Run predict.py far from the project; block: a module whose import fails there."""
    start = "import runpy, sys; sys.argv = sys.argv[1:]; sys.path.insert(0, sys.argv[0][:-10]);"
    blocked = ["torch", "onnx", "compress", "exporters", "benchmarks", *block.split()]
    forbid = "".join(f"sys.modules[{name!r}] = None;" for name in blocked)
    code = start + forbid + "runpy.run_path(sys.argv[0], run_name='__main__')"
    return subprocess.run(
        [sys.executable, "-I", "-c", code, str(run / "predict.py"), *map(str, arguments)],
        cwd=run.parent,
        capture_output=True,
        text=True,
        check=False,
    )


def grey(*levels: int) -> np.ndarray:
    return np.stack([np.full((HEIGHT, WIDTH), level, np.uint8) for level in levels])


def test_images_and_arrays_are_told_apart_with_onnxruntime_and_numpy_alone(
    tmp_path: Path,
) -> None:
    run = make_run(tmp_path / "my run")
    np.save(tmp_path / "a.npy", grey(0, 255, 51))
    np.savez(tmp_path / "b.npz", images=grey(255)[:, None], labels=np.zeros(1))
    Image.fromarray(grey(255)[0]).save(tmp_path / "c.png")
    done = call(run, tmp_path / "a.npy", tmp_path / "b.npz", "--json", block="PIL")
    assert done.returncode == 0, done.stderr
    rows = json.loads(done.stdout)
    assert [row["class"] for row in rows] == ["dark", "bright", "dark", "bright"]
    assert [row["index"] for row in rows] == [0, 1, 2, 0]
    # mean 51 / 255 = 0.2: logits (3, -3), softmax 1 / (1 + exp(-6))
    assert rows[2]["probability"] == pytest.approx(1 / (1 + np.exp(-6)), abs=1e-6)
    done = call(run, tmp_path / "c.png")
    assert done.stdout == f"{tmp_path / 'c.png'}[0]  bright  100.0%\n"
    assert verify_run(run) == ()


def test_a_colour_image_of_another_size_is_resized_as_the_manifest_says(tmp_path: Path) -> None:
    Image.new("RGB", (40, 30), (255, 255, 255)).save(tmp_path / "white.png")
    run = make_run(tmp_path / "run", channels=3, resize="bilinear")
    assert "bright" in call(run, tmp_path / "white.png").stdout
    run = make_run(tmp_path / "run", channels=3)
    done = call(run, tmp_path / "white.png")
    assert done.returncode == 2
    assert "the image is 40 x 30, 6 x 4 is due" in done.stderr


def test_it_is_importable_and_takes_what_numpy_takes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from compress.pipeline import predict_template

    predict_template._student.cache_clear()
    monkeypatch.setattr(predict_template, "FOLDER", make_run(tmp_path / "run"))
    predict = predict_template.predict
    white = grey(255)
    for images in (white, white[0], white[:, None], white[..., None], list(white), white * 1.0):
        assert [name for name, _ in predict(images)] == ["bright"]
    assert [name for name, _ in predict(grey(*[0, 255] * 70))] == ["dark", "bright"] * 70
    assert predict(np.zeros((0, 1, HEIGHT, WIDTH))) == []
    predict_template._student.cache_clear()


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "I;16", "CMYK"])
def test_an_image_file_is_read_as_the_task_reads_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mode: str, channels: int
) -> None:
    from compress.pipeline import predict_template

    levels = np.random.default_rng(0).integers(0, 256, (9, 13, 4), dtype=np.uint8)
    if mode == "I;16":
        image = Image.fromarray(levels[..., 0].astype(np.uint16) * 257)
    else:
        image = Image.fromarray(levels, mode="RGBA").convert(mode)
    if mode == "CMYK":
        image = Image.fromarray(levels, mode="CMYK")
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by 90 degrees
    path = tmp_path / ("image.jpg" if mode == "CMYK" else "image.png")
    image.save(path, exif=exif)
    predict_template._student.cache_clear()
    run = make_run(tmp_path / "run", channels=channels, resize="bilinear", side=5)
    monkeypatch.setattr(predict_template, "FOLDER", run)
    read = predict_template._read(path)
    predict_template._student.cache_clear()
    expected = decode_image(path.read_bytes(), size=5, channels=channels, where=str(path))
    np.testing.assert_array_equal(predict_template._as_batch(read, (channels, 5, 5))[0], expected)


@pytest.mark.parametrize(
    ("name", "data", "says"),
    [
        ("absent.npy", None, "can't be read"),
        ("cut.npy", b"\x93NUMPY", "can't be read"),
        ("text.png", b"<html>", "can't be read"),
        ("empty.npz", b"", "can't be read"),
    ],
)
def test_a_file_that_is_not_what_it_says_is_one_line_and_exit_2(
    tmp_path: Path, name: str, data: bytes | None, says: str
) -> None:
    run = make_run(tmp_path / "run")
    if data is not None:
        (tmp_path / name).write_bytes(data)
    done = call(run, tmp_path / name)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.count("\n") == 1
    assert says in done.stderr


def test_pickles_wrong_shapes_and_a_changed_model_are_refused(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run")
    np.save(tmp_path / "pickle.npy", np.array([{}], dtype=object), allow_pickle=True)
    np.save(tmp_path / "shape.npy", np.zeros((5, 5)))
    done = call(run, tmp_path / "pickle.npy")
    assert done.returncode == 2
    assert "allow_pickle=False" in done.stderr
    done = call(run, tmp_path / "shape.npy")
    assert done.returncode == 2
    assert done.stderr == "samples have the shape (5, 5), (n, 1, 4, 6) is due\n"
    (run / "student.onnx").write_bytes(model(3))
    done = call(run, tmp_path / "shape.npy")
    assert done.returncode == 2
    assert "not the file that manifest.json lists" in done.stderr


@pytest.mark.parametrize("mels", [None, 8])
def test_a_recording_is_read_as_the_task_reads_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mels: int | None
) -> None:
    from compress.pipeline import predict_template

    made = Preprocessing(
        input_name="inputs",
        shape=(1, 800) if mels is None else (8, 8),
        scale=1.0,
        sample_rate=8000,
        seconds=0.1,
        mels=mels,
    )
    publish(
        {"student.onnx": model(1), "waveform.py": waveform_source()},
        tmp_path / "run",
        facts=replace(FACTS, classes=CLASSES, preprocessing=made),
    )
    sound = wav(np.stack([tone(440, rate=16_000), tone(990, rate=16_000)], axis=1), rate=16_000)
    (tmp_path / "a.wav").write_bytes(sound)
    (tmp_path / "b.wav").write_bytes(sound[:-7])
    predict_template._student.cache_clear()
    monkeypatch.setattr(predict_template, "FOLDER", tmp_path / "run")
    found = predict_template._read(tmp_path / "a.wav")
    with pytest.raises(predict_template.Refused, match=r"b\.wav: can't be read: a broken WAV"):
        predict_template._read(tmp_path / "b.wav")
    predict_template._student.cache_clear()
    expected = read_waveform(sound, sample_rate=8000, seconds=0.1)
    if mels is not None:
        expected = log_mel(expected, sample_rate=8000, mels=mels)
    np.testing.assert_array_equal(found, expected)
    assert predict_template._as_batch(found, made.shape).shape == (1, *made.shape)
