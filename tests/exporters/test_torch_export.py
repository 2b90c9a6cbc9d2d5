"""torch to ONNX: dynamic batch, one file, the same bytes, the module untouched, nothing said."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import subprocess
import sys
import warnings
from pathlib import Path
from types import ModuleType

import numpy as np
import onnx
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from exporters import check_parity, export, open_artifact
from exporters.errors import ExportError, InputError

ROOT = Path(__file__).parents[2]
FASHION = ROOT / "examples" / "fashion" / "model.py"
IMAGES = torch.zeros(2, 1, 28, 28)


def _fashion() -> ModuleType:
    spec = importlib.util.spec_from_file_location("fashion_model_for_export", FASHION)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _network() -> nn.Module:
    """The example's residual net, narrow, with weights from seed 0 and used norms."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network: nn.Module = _fashion().ResidualNet((8, 16), 1)
        with torch.no_grad():
            network(torch.rand(16, 1, 28, 28))
    return network


def _digest(module: nn.Module) -> str:
    whole = hashlib.sha256()
    for name, tensor in module.state_dict().items():
        whole.update(name.encode() + tensor.numpy().tobytes())
    return whole.hexdigest()


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> tuple[nn.Module, Path]:
    network = _network()
    path = tmp_path_factory.mktemp("export") / "student.onnx"
    export(network, IMAGES, path=path)
    return network, path


def test_the_file_follows_the_module_at_every_batch(exported: tuple[nn.Module, Path]) -> None:
    network, path = exported
    inputs = np.random.default_rng(0).random((256, 1, 28, 28), dtype=np.float32)
    copy = _network().eval()

    def reference(images: NDArray[np.float32]) -> NDArray[np.float32]:
        with torch.no_grad():
            scores: NDArray[np.float32] = copy(torch.from_numpy(images)).numpy()
            return scores

    parity = check_parity(reference, open_artifact(path), inputs=inputs, atol=1e-5, rtol=1e-4)
    assert parity.passed
    assert parity.samples == 256
    assert parity.batches == (1, 2, 33)
    assert parity.top1_agreement == 1.0
    assert network.training  # the training flag of the argument is as it was


def test_the_file_is_single_dynamic_and_says_nothing_of_this_machine(
    exported: tuple[nn.Module, Path],
) -> None:
    _, path = exported
    artifact = open_artifact(path)
    assert artifact.inputs[0].shape == ("batch", 1, 28, 28)
    assert artifact.outputs[0].shape == ("batch", 10)
    assert (artifact.inputs[0].name, artifact.outputs[0].name) == ("images", "logits")
    assert os.listdir(path.parent) == ["student.onnx"]
    model = onnx.load(path)
    assert artifact.opset == model.opset_import[0].version
    assert artifact.ir_version == model.ir_version
    data = path.read_bytes()
    for word in (b"model.py", b"stack_trace", b"pkg.torch", os.fsencode(ROOT), b"forward"):
        assert word not in data


def test_another_process_and_an_untouched_module_give_the_same_bytes(
    exported: tuple[nn.Module, Path], tmp_path: Path
) -> None:
    """Also quiet: the child's output is what it prints itself, warnings are errors there."""
    _, path = exported
    code = """
import sys, json, warnings
sys.path[:0] = sys.argv[2:4]
import test_torch_export as t
warnings.simplefilter("error")
network = t._network()
state = t.torch.get_rng_state()
before = t._digest(network), network.training
t.export(network, t.IMAGES[:1], path=sys.argv[1])
same = (t._digest(network), network.training) == before
print(json.dumps([same, bool((state == t.torch.get_rng_state()).all())]))
"""
    other = tmp_path / "elsewhere" / "other.onnx"
    other.parent.mkdir()
    done = subprocess.run(
        [sys.executable, "-c", code, str(other), str(ROOT), str(Path(__file__).parent)],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
        env={**os.environ, "PYTHONHASHSEED": "7"},
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert json.loads(done.stdout) == [True, True]
    assert other.read_bytes() == path.read_bytes()


class NoOnnxForm(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        values: Tensor = torch.linalg.eigvals(x)
        return values.real


class BakedBatch(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x.reshape(2, -1)


class Branches(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x if x.sum() > 0 else -x


@pytest.mark.parametrize(
    ("module", "words"),
    [
        (NoOnnxForm(), "NoOnnxForm: aten.linalg_eig has no ONNX form"),
        (BakedBatch(), "the batch is baked in: the output 'logits' has the shape"),
        (Branches(), "Branches: can't be captured: "),
    ],
)
def test_what_has_no_onnx_form_is_an_export_error_and_keeps_the_old_file(
    tmp_path: Path, module: nn.Module, words: str, capfd: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "m.onnx"
    path.write_bytes(b"old good file")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(ExportError, match=words) as caught:
            export(module, torch.zeros(2, 4, 4), path=path)
    assert caught.value.exit_code == 4
    assert str(caught.value).isprintable()
    assert path.read_bytes() == b"old good file"
    assert os.listdir(tmp_path) == ["m.onnx"]
    assert capfd.readouterr() == ("", "")


def test_bad_arguments_fail_before_torch_works(tmp_path: Path) -> None:
    layer = nn.Linear(2, 2)
    with pytest.raises(InputError, match="the folder does not exist"):
        export(layer, torch.zeros(2, 2), path=tmp_path / "absent" / "m.onnx")
    with pytest.raises(ExportError, match="2 example inputs for 1 input names"):
        export(layer, (torch.zeros(2, 2), torch.zeros(2, 2)), path=tmp_path / "m.onnx")
    with pytest.raises(ExportError, match="no batch axis"):
        export(layer, torch.zeros(()), path=tmp_path / "m.onnx")
    with torch.no_grad():
        layer.weight[0, 0] = float("nan")
    with pytest.raises(ExportError, match="weight 'weight' holds NaN or infinity"):
        export(layer, torch.zeros(2, 2), path=tmp_path / "m.onnx")
    assert os.listdir(tmp_path) == []


def test_code_whose_place_torch_can_not_spell_is_refused_with_the_cure(tmp_path: Path) -> None:
    """Torch fails where it symbolizes a line of such a file, as for a message of its own log."""
    folder = tmp_path / os.fsdecode(b"caf\xe9")
    folder.mkdir()
    source = "from torch import nn\nclass Net(nn.Linear):\n    def forward(self, images):\n"
    (folder / "net.py").write_text(f"{source}        return super().forward(images) + 1\n")
    spec = importlib.util.spec_from_file_location("net_in_an_odd_folder", folder / "net.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    with pytest.raises(InputError, match="is in a folder whose name is not UTF-8; move it"):
        export(module.Net(4, 3), torch.zeros(2, 4), path=folder / "net.onnx")
    assert [path.name for path in folder.iterdir() if path.is_file()] == ["net.py"]
