"""Blocks that are removed: which lists of them there are, and which stay."""

from __future__ import annotations

from typing import Literal

import networks
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from compress.errors import InputError
from compress.prune.layers import find_stacks, truncate
from compress.prune.saved import rebuilt
from compress.prune.spacing import kept_layers

TOOL = networks.tool("prune_networks")


class Adding(nn.Module):
    """Adds `size` times its input, turned by a quarter."""

    def __init__(self, size: float) -> None:
        super().__init__()
        self.turn = nn.Sequential(nn.Conv1d(2, 2, 1, bias=False))
        with torch.no_grad():
            self.turn[0].weight.copy_(size * torch.tensor([[[0.0], [-1.0]], [[1.0], [0.0]]]))

    def forward(self, values: Tensor) -> Tensor:
        return values + self.turn(values)


SIZES = (2.0, 0.1, 3.0, 0.2, 1.0)


def rows() -> tuple[nn.Sequential, Tensor]:
    return nn.Sequential(*(Adding(size) for size in SIZES)), torch.randn(4, 2, 3)


def test_blocks_lie_evenly() -> None:
    module, values = rows()
    assert truncate(module, values, layers=3).kept == {"": ((0, 2, 4), 5)}


def test_the_blocks_that_turn_their_input_least_go() -> None:
    """1 - cos of x and x + s·turned(x) is 1 - 1 / sqrt(1 + s²): it rises with s."""
    module, values = rows()
    (stack,) = find_stacks(module, (values,))
    for index, size in enumerate(SIZES):
        assert stack.changes[index] == pytest.approx(1 - (1 + size**2) ** -0.5, abs=1e-6)
    kept = truncate(module, values, layers=3, by="importance")
    assert kept.kept == {"": ((0, 2, 4), 5)}
    assert truncate(module, values, layers=1, by="importance").kept == {"": ((2,), 5)}


def test_what_is_left_answers_as_those_blocks_in_a_row() -> None:
    module, values = rows()
    before = {name: tensor.clone() for name, tensor in module.state_dict().items()}
    shorter = truncate(module, values, layers=2)
    torch.testing.assert_close(shorter.module(values), module[4](module[0](values)))
    assert all(torch.equal(before[name], t) for name, t in module.state_dict().items())
    assert len(module) == 5
    again = rebuilt(module, shorter.plan)
    torch.testing.assert_close(again(values), shorter.module(values))


@pytest.mark.parametrize(
    ("name", "blocks"),
    [
        ("resnet-50", [2, 2]),
        ("convnext-tiny", [2]),
        ("mobilenet-v2", [16]),
        ("vit-base", [2]),
        ("bert-base", [2]),
        ("distilbert", [2]),
        ("mobilebert", [2]),
        ("wav2vec2-base", [2]),
    ],
)
def test_blocks_of_architectures_are_found(name: str, blocks: list[int]) -> None:
    module, _ = TOOL.build(name, small=True)
    example = TOOL.inputs(name, rows=2, small=True)
    stacks = find_stacks(module, example)
    assert [stack.length for stack in stacks] == blocks
    least = sum(stack.least for stack in stacks)
    shorter = truncate(module, example, layers=least)
    assert shorter.module(*example).shape == module(*example).shape
    assert sum(len(kept) for kept, _ in shorter.kept.values()) == least


def test_more_blocks_than_there_are_and_none_at_all_are_refused() -> None:
    module, values = rows()
    with pytest.raises(InputError, match=r"has 5 blocks .* 6 can't be kept; keep 1 to 5"):
        truncate(module, values, layers=6)
    with pytest.raises(InputError, match="has no list of blocks of one shape"):
        truncate(nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 3)), torch.ones(2, 3), layers=1)


def test_an_unknown_order_of_blocks_is_refused() -> None:
    module, values = rows()
    with pytest.raises(InputError, match=r"by is 'x'.* spacing or importance"):
        truncate(module, values, layers=3, by="x")  # type: ignore[arg-type]


class Pair(nn.Module):
    """A block that holds a list of two blocks in a row."""

    def __init__(self, size: float) -> None:
        super().__init__()
        self.inner = nn.Sequential(Adding(size), Adding(size / 2))

    def forward(self, values: Tensor) -> Tensor:
        inner: Tensor = self.inner(values)
        return values + inner


@pytest.mark.parametrize("by", ["spacing", "importance"])
def test_lists_inside_the_blocks_of_a_list_without_a_name_are_no_stacks(
    by: Literal["spacing", "importance"],
) -> None:
    module, values = nn.Sequential(*(Pair(size) for size in (2.0, 0.1, 3.0))), torch.randn(4, 2, 3)
    (stack,) = find_stacks(module, (values,))
    assert (stack.name, stack.length) == ("", 3)
    shorter = truncate(module, values, layers=2, by=by)
    ((kept, whole),) = shorter.kept.values()
    assert (len(kept), whole) == (2, 3)
    expected = module[kept[1]](module[kept[0]](values))
    torch.testing.assert_close(shorter.module(values), expected)


@given(total=st.integers(1, 60), data=st.data())
def test_kept_layers_rise_and_end_with_the_last(total: int, data: st.DataObject) -> None:
    keep = data.draw(st.integers(1, total))
    kept = kept_layers(total, keep)
    assert len(set(kept)) == keep
    assert list(kept) == sorted(kept)
    assert kept[-1] == total - 1
