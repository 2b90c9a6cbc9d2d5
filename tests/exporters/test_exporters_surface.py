"""What `exporters` offers, and that it is light: no torch, no onnx until they are needed."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

import exporters


def _modules_after(code: str) -> set[str]:
    script = f"{code}\nimport sys, json\nprint(json.dumps(sorted(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    return set(json.loads(done.stdout))


def test_the_public_names_are_these() -> None:
    assert exporters.__all__ == [
        "OnnxArtifact",
        "Parity",
        "check_parity",
        "export",
        "open_artifact",
    ]
    assert set(exporters.__all__) <= set(dir(exporters))
    for name in exporters.__all__:
        assert callable(getattr(exporters, name))
    with pytest.raises(AttributeError, match="no attribute 'absent'"):
        _ = exporters.absent


def test_importing_exporters_loads_neither_torch_nor_onnx_nor_numpy() -> None:
    loaded = _modules_after(
        "from exporters import export, open_artifact, OnnxArtifact, Parity\n"
        "import exporters.artifact, exporters.atomic, exporters.events, exporters.cpus\n"
        "from exporters.export import export as same\nassert same is export and callable(export)"
    )
    assert not loaded & {"torch", "onnx", "onnxruntime", "numpy", "google.protobuf"}


def test_parity_loads_no_torch() -> None:
    assert "torch" not in _modules_after("from exporters import check_parity")
