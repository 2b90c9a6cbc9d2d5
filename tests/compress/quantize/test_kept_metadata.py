"""What other runtimes read beside the network: class names, strides, and our own marker."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper
from small_graphs import conv_then_gemm, model

from compress import quantize
from compress.quantize.compact import compact
from compress.quantize.dynamic import quantize_dynamic
from compress.quantize.values import SCHEMES, Scheme
from exporters.artifact import open_artifact
from exporters.preprocess import RAW, file_takes_raw_samples, put_inside

NAMES = {"names": "{0: 'coat', 1: 'shoe'}", "stride": "32"}


def metadata(path: Path) -> dict[str, str]:
    return {entry.key: entry.value for entry in onnx.load(path).metadata_props}


def taking_raw_images(folder: Path) -> Path:
    """With class names of its own, behind a division by 255."""
    bare = conv_then_gemm(folder / "bare.onnx")
    made = onnx.load(bare.path)
    helper.set_model_props(made, NAMES)
    onnx.save(made, folder / "named.onnx")
    named = open_artifact(folder / "named.onnx")
    return put_inside(named, path=folder / "raw.onnx", dtype="uint8", scale=1 / 255).path


@pytest.mark.parametrize("scheme", SCHEMES)
def test_every_scheme_keeps_the_metadata_of_the_file(scheme: Scheme, tmp_path: Path) -> None:
    source = taking_raw_images(tmp_path)
    images = np.random.default_rng(0).integers(0, 256, (96, 8, 4, 4), dtype=np.uint8)

    made = quantize(
        source, path=tmp_path / "small.onnx", scheme=scheme, data=images, max_drop=1.0,
        goal="size", timed=False,
    ).artifact  # fmt: skip

    assert made is not None
    assert metadata(made.path) == {**NAMES, RAW: "raw samples"}
    assert file_takes_raw_samples(made.path)


def test_onnxruntime_s_own_dynamic_file_keeps_it_too(tmp_path: Path) -> None:
    """And nothing that its quantizer notes for itself."""
    source = open_artifact(taking_raw_images(tmp_path))
    made = quantize_dynamic(source, path=tmp_path / "small.onnx", cpu_flags=())
    assert metadata(made.path) == {**NAMES, RAW: "raw samples"}


def test_what_exporters_and_quantizers_note_for_themselves_goes() -> None:
    made = model([], {}, shape=(2,), out="x")
    noise = {
        "onnx.infer": "onnxruntime.quant",
        "onnx.quant.pre_process": "onnxruntime.quant",
        "pkg.torch.export.ExportedProgram.graph_signature": "ExportGraphSignature(...)",
    }
    helper.set_model_props(made, {**noise, "pkg": "user's", "stride": "8"})
    compact(made)
    assert {e.key: e.value for e in made.metadata_props} == {"pkg": "user's", "stride": "8"}
