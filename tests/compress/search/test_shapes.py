"""Operators of a module by their shapes, and what makes an untrained file as large as a later."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import nn

from compress.search.shapes import as_if_trained, operators_of
from compress.students.counts import count_macs
from compress.students.factories.images import ImageNet
from exporters.export import export


def network() -> nn.Module:
    torch.manual_seed(0)
    return ImageNet(
        "depthwise", channels=1, classes=3, widths=(8, 16), depth=1, stem=8, stride=2
    ).eval()


def test_operators_add_up_to_the_module() -> None:
    module, example = network(), torch.zeros(2, 1, 16, 16)
    found = operators_of(module, (example,))
    assert sum(one.macs for one in found) == count_macs(module, example)
    kinds = [one.kind for one in found]
    assert kinds == ["conv", "depthwise", "conv", "depthwise", "conv", "linear"]
    # Depthwise: nine multiply-accumulates per output, and as many weights per channel.
    assert (found[1].macs, found[1].outputs, found[1].parameters) == (9 * 8 * 64, 8 * 64, 72)


def test_looking_leaves_no_hook_behind() -> None:
    module = network()
    operators_of(module, (torch.zeros(1, 1, 16, 16),))
    assert all(not layer._forward_hooks for layer in module.modules())


def test_a_module_without_values_shows_the_same_shapes() -> None:
    def text() -> nn.Module:
        known = torch.zeros(50, 4, device="cpu")  # wherever the rest is made
        return nn.Sequential(nn.Embedding.from_pretrained(known), nn.Linear(4, 2))

    for made, example in (
        (network, torch.zeros(1, 1, 16, 16)),
        (text, torch.zeros(1, 3, dtype=torch.int64)),
    ):
        with torch.device("meta"):
            bare = made()
        assert operators_of(bare, (example,)) == operators_of(made(), (example,))


def test_tables_of_vectors_are_bytes_and_no_time() -> None:
    module = nn.Sequential(nn.Embedding(50, 4), nn.Linear(4, 2))
    found = operators_of(module, (torch.zeros(1, 3, dtype=torch.int64),))
    assert [(one.kind, one.macs, one.parameters) for one in found] == [
        ("linear", 3 * 8, 8),
        ("table", 0, 200),
    ]


def test_an_untrained_file_is_as_large_as_a_trained_one(tmp_path: Path) -> None:
    example = torch.zeros(2, 1, 16, 16)
    sizes = {}
    for name in ("new", "as if trained", "trained"):
        module = network()
        if name == "as if trained":
            as_if_trained(module)
        if name == "trained":
            optimizer = torch.optim.SGD(module.train().parameters(), lr=0.1)
            for _ in range(3):
                optimizer.zero_grad()
                scores = module(torch.rand(8, 1, 16, 16))
                nn.functional.cross_entropy(scores, torch.arange(8) % 3).backward()
                optimizer.step()
        path = tmp_path / f"{name}.onnx"
        sizes[name] = export(module.eval(), example, path=path).size_bytes
    assert sizes["as if trained"] == sizes["trained"]
