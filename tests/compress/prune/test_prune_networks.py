"""Architectures that nobody here wrote: pruned to half, with costs and outputs that hold."""

from __future__ import annotations

import networks
import pytest
import torch
from test_prune_laws import without

from compress import prune
from compress.students.counts import count_macs

TOOL = networks.tool("prune_networks")
# Networks in which what went leaves no trace: no norm over the removed width.
EXACT = ("resnet-50", "regnet-y-040", "mobilenet-v2", "efficientnet-b0")
HIDDEN = {
    "vit-base": ("*patch_embeddings*",),
    "bert-base": ("*embeddings*",),
    "distilbert": ("*embeddings*",),
    "wav2vec2-base": ("*feature_extractor*", "*feature_projection*"),
}


@pytest.mark.parametrize("name", TOOL.NETWORKS)
def test_half_of_the_macs_go_and_the_network_answers(name: str) -> None:
    module, _ = TOOL.build(name, small=True)
    example = TOOL.inputs(name, rows=3, small=True)
    pruned = prune(module, example, macs=0.5)
    assert pruned.macs_before == count_macs(module, *example)
    assert pruned.macs == count_macs(pruned.module, *example)
    assert pruned.macs / pruned.macs_before == pytest.approx(0.5, abs=0.06)
    with torch.no_grad():
        scores = pruned.module(*example)
    assert scores.shape == module(*example).shape
    assert torch.isfinite(scores).all()
    assert not pruned.notes


@pytest.mark.parametrize("name", [*EXACT, *HIDDEN])
def test_what_is_left_is_the_network_with_zeros_in_what_went(name: str) -> None:
    module, _ = TOOL.build(name, small=True)
    example = TOOL.inputs(name, rows=2, small=True)
    pruned = prune(module, example, ratio=0.5, keep=HIDDEN.get(name, ()), importance="random")
    assert pruned.macs < 0.9 * pruned.macs_before
    with torch.no_grad():
        expected = without(module, pruned.plan)(*example)
        torch.testing.assert_close(pruned.module(*example), expected, atol=1e-4, rtol=1e-3)


@pytest.mark.parametrize("name", ["bert-base", "distilbert", "electra-small", "vit-base"])
def test_hidden_width_heads_inner_width_and_embeddings_all_go(name: str) -> None:
    module, _ = TOOL.build(name, small=True)
    pruned = prune(module, TOOL.inputs(name, rows=2, small=True), ratio=0.5)
    widths = pruned.kept.values()
    assert (16, 32) in widths  # hidden width, and heads: of 8 rows, they go whole
    assert (32, 64) in widths  # of the feed-forward network
    assert all(kept == whole // 2 for kept, whole in widths)
