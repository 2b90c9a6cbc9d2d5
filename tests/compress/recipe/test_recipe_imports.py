"""Reading a recipe or judging a report brings no heavy library: a gate starts at once."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

HEAVY = ("torch", "onnx", "onnxruntime", "onnxscript", "scipy", "accelerate", "PIL", "pandas")


@pytest.mark.parametrize(
    ("modules", "most"),
    [
        ("compress.recipe.load, compress.recipe.schema, compress.recipe.targets", 450),
        ("compress.gate.result, compress.gate.formats, compress.gate.explain", 600),
    ],
)
def test_imports_stay_light(modules: str, most: int) -> None:
    code = (
        f"import sys, json, {modules}\n"
        "print(json.dumps([len(sys.modules), sorted({m.partition('.')[0] for m in sys.modules})]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    count, loaded = json.loads(done.stdout)
    assert not set(HEAVY) & set(loaded)
    assert count < most, count
