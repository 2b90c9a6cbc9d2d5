"""Dynamic int8 of a small transformer: smaller, near the float answers, the same bytes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from compress.errors import DistilError
from compress.quantize.dynamic import quantize_dynamic
from compress.students.text.encoder import Encoder, EncoderConfig, TextClassifier
from exporters.export import export
from exporters.run import run_batches
from exporters.session import open_session
from exporters.values import OnnxArtifact

NAMES = ("input_ids", "attention_mask")


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> OnnxArtifact:
    torch.manual_seed(0)
    config = EncoderConfig(vocabulary=400, width=64, layers=2, heads=4, inner=128, positions=32)
    module = TextClassifier(Encoder(config), width=64, classes=5).eval()
    ids = torch.randint(2, 400, (2, 9))
    return export(
        module,
        (ids, torch.ones_like(ids)),
        path=tmp_path_factory.mktemp("dynamic") / "float.onnx",
        input_names=NAMES,
        open_axes={1: "sequence"},
    )


def test_answers_stay_near_and_the_file_shrinks(original: OnnxArtifact, tmp_path: Path) -> None:
    events = []
    made = quantize_dynamic(  # 7-bit weights: the same answers on every processor
        original, path=tmp_path / "q.onnx", cpu_flags=["avx2"], on_event=events.append
    )
    assert made.size_bytes < 0.45 * original.size_bytes
    assert made.inputs == original.inputs
    assert [event.kind for event in events] == ["done"]
    rows = np.random.default_rng(0).integers(2, 400, (60, 12))

    def collate(part: np.ndarray) -> dict[str, np.ndarray]:
        return {"input_ids": part, "attention_mask": np.ones_like(part)}

    before, after = (
        run_batches(open_session(path), rows, batch=20, collate=collate)
        for path in (original.path, made.path)
    )
    cosine = (
        (before * after).sum(1) / np.linalg.norm(before, axis=1) / np.linalg.norm(after, axis=1)
    )
    assert cosine.min() > 0.99
    assert 0.0 < np.abs(before - after).max() < 0.1


def test_the_same_bytes_come_out_each_time(original: OnnxArtifact, tmp_path: Path) -> None:
    digests = {
        quantize_dynamic(original, path=tmp_path / f"{name}.onnx", cpu_flags=[]).digest
        for name in "ab"
    }
    assert len(digests) == 1


def test_a_model_without_weights_is_refused(tmp_path: Path) -> None:
    class Doubled(torch.nn.Module):
        def forward(self, inputs: torch.Tensor) -> torch.Tensor:
            return inputs * 2.0

    plain = export(Doubled(), torch.rand(2, 3), path=tmp_path / "plain.onnx")
    with pytest.raises(DistilError, match="no operator of the model has an int8 form"):
        quantize_dynamic(plain, path=tmp_path / "q.onnx", cpu_flags=[])
    assert not (tmp_path / "q.onnx").exists()
