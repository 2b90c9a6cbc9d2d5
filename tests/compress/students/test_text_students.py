"""Text students: what they inherit, what a pruned vocabulary keeps, and static vectors."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from compress.errors import InputError
from compress.students.text.changes import apply_changes, save_changes
from compress.students.text.encoder import (
    Encoder,
    EncoderConfig,
    TextClassifier,
    bert_beginning,
)
from compress.students.text.smaller import kept_layers, truncated, with_inner, with_vocabulary
from compress.students.text.static import principal_axes, token_vectors
from compress.teachers.sentence_pooling import mean_pooled

CONFIG = EncoderConfig(vocabulary=50, width=16, layers=6, heads=4, inner=32, positions=24)


@pytest.fixture
def encoder() -> Encoder:
    torch.manual_seed(0)
    return Encoder(CONFIG).eval()


def batch(*, high: int = 50) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    ids = torch.randint(2, high, (3, 7), generator=generator)
    mask = torch.ones_like(ids)
    mask[1, 4:] = 0
    return ids, mask


@torch.no_grad()
def test_padding_changes_no_answer(encoder: Encoder) -> None:
    ids, mask = batch()
    long = torch.nn.functional.pad(ids, (0, 9)), torch.nn.functional.pad(mask, (0, 9))
    short = mean_pooled(encoder(ids, mask), mask)
    torch.testing.assert_close(mean_pooled(encoder(*long), long[1]), short, atol=1e-6, rtol=0)
    alone = mean_pooled(encoder(ids[1:2, :4], mask[1:2, :4]), mask[1:2, :4])
    torch.testing.assert_close(alone[0], short[1], atol=1e-6, rtol=0)


@pytest.mark.parametrize(
    ("total", "keep", "layers"),
    [
        (6, 6, (0, 1, 2, 3, 4, 5)),
        (6, 3, (0, 2, 5)),
        (6, 2, (0, 5)),
        (6, 1, (5,)),
        (12, 4, (0, 3, 7, 11)),
    ],
)
def test_kept_layers_are_evenly_spaced(total: int, keep: int, layers: tuple[int, ...]) -> None:
    assert kept_layers(total, keep) == layers


def test_a_truncated_encoder_inherits_its_layers_and_leaves_the_teacher(encoder: Encoder) -> None:
    before = {name: tensor.clone() for name, tensor in encoder.state_dict().items()}
    fewer = truncated(encoder, layers=2)
    assert len(fewer.layers) == 2
    for name, tensor in fewer.layers[1].state_dict().items():
        assert torch.equal(tensor, before[f"encoder.layer.5.{name}"])
    with torch.no_grad():
        fewer.embeddings.LayerNorm.weight.zero_()
    assert all(torch.equal(encoder.state_dict()[name], value) for name, value in before.items())
    whole = truncated(encoder, layers=6)
    assert torch.equal(whole(*batch()), encoder(*batch()))
    with pytest.raises(InputError, match="7 can't be kept"):
        truncated(encoder, layers=7)


@torch.no_grad()
def test_feed_forward_units_that_write_nothing_go_first(encoder: Encoder) -> None:
    for layer in encoder.layers:
        layer.get_submodule("output.dense").weight[:, ::2] = 0.0
    ids, mask = batch()
    fewer = with_inner(encoder, inner=16)
    assert fewer.config.inner == 16
    assert fewer.layers[0].get_submodule("intermediate.dense").weight.shape == (16, 16)
    torch.testing.assert_close(fewer(ids, mask), encoder(ids, mask), atol=1e-5, rtol=0)
    assert encoder.config.inner == 32
    with pytest.raises(InputError, match="32 feed-forward units, 33 can't be kept"):
        with_inner(encoder, inner=33)


@torch.no_grad()
def test_a_pruned_vocabulary_answers_alike_on_kept_tokens_and_takes_others_for_unknown(
    encoder: Encoder,
) -> None:
    pruned = with_vocabulary(encoder, range(2, 20), unknown=1)
    ids, mask = batch(high=20)
    assert torch.equal(pruned(ids, mask), encoder(ids, mask))
    strange = torch.full_like(ids, 33)
    assert torch.equal(pruned(strange, mask), encoder(torch.ones_like(ids), mask))
    before, after = (sum(p.numel() for p in m.parameters()) for m in (encoder, pruned))
    assert before - after == (50 - 19) * 16


@torch.no_grad()
def test_static_vectors_are_the_answers_to_single_tokens_on_their_main_axes(
    encoder: Encoder,
) -> None:
    vectors = token_vectors(encoder, width=16, start=2, end=3, batch=7)
    ids = torch.tensor([[2, token, 3] for token in range(50)])
    mask = torch.ones_like(ids)
    answers = mean_pooled(encoder(ids, mask), mask)
    centred = answers - answers.mean(0)
    torch.testing.assert_close(vectors @ vectors.T, centred @ centred.T, atol=1e-4, rtol=1e-3)
    assert torch.equal(principal_axes(answers, 4), principal_axes(answers.clone(), 4))
    spread = vectors.var(0)
    assert bool((spread[:-1] >= spread[1:] - 1e-9).all())


def test_changes_hold_only_what_a_tuning_moved(encoder: Encoder, tmp_path: Path) -> None:
    base = TextClassifier(encoder, width=16, classes=3)
    tuned = TextClassifier(truncated(encoder, layers=6), width=16, classes=3)
    tuned.load_state_dict(base.state_dict())
    with torch.no_grad():
        tuned.head.bias += 1.0
        tuned.encoder.layers[5].output.dense.weight *= 1.5  # type: ignore[union-attr, index]
    names = save_changes(base, tuned, tmp_path / "changes.safetensors")
    assert set(names) == {"head.bias", "encoder.encoder.layer.5.output.dense.weight"}
    assert (tmp_path / "changes.safetensors").stat().st_size < 2 * (16 * 32 + 3) + 400
    apply_changes(base, tmp_path / "changes.safetensors")
    for name, tensor in tuned.state_dict().items():
        torch.testing.assert_close(base.state_dict()[name], tensor, atol=1e-3, rtol=1e-3)
    with pytest.raises(InputError, match="has no place"):
        apply_changes(torch.nn.Linear(2, 2), tmp_path / "changes.safetensors")


def test_weights_that_begin_as_berts_are_small_and_leave_the_norms() -> None:
    torch.manual_seed(0)
    begun = Encoder(CONFIG).apply(bert_beginning)
    embeddings = begun.embeddings
    spread = torch.cat(
        [embeddings.word_embeddings.weight, embeddings.position_embeddings.weight]
    ).std()
    assert 0.018 < float(spread.detach()) < 0.022  # 1,184 draws of 0.02
    assert all(not one.bias.any() for one in begun.modules() if isinstance(one, torch.nn.Linear))
    norms = [one for one in begun.modules() if isinstance(one, torch.nn.LayerNorm)]
    assert norms
    assert all((one.weight == 1).all() for one in norms)
