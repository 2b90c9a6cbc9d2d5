"""What pruning promises: the argument stays, costs are as said, weights are inherited."""

from __future__ import annotations

import copy
from typing import Any

import networks
import pytest
import torch
from networks import Fused, Hourglass, everything
from torch import Tensor, nn

from compress import prune
from compress.errors import InputError
from compress.prune.plan import Plan
from compress.prune.trace import trace
from compress.prune.units import units_of
from compress.students.counts import count_macs, count_parameters

CHOICES = [
    {"ratio": 0.5},
    {"ratio": 0.3, "scope": "global"},
    {"macs": 0.5},
    {"macs": 0.3, "scope": "global", "importance": "random"},
    {"macs": 0.5, "round_to": 4},
]


def without(module: nn.Module, plan: Plan) -> nn.Module:
    """The whole network with zeros in every place that the plan removes."""
    masked = copy.deepcopy(module)
    tensors = {**dict(masked.named_parameters()), **dict(masked.named_buffers())}
    with torch.no_grad():
        for name, axes in plan.tensors.items():
            for axis, kept in axes.items():
                gone = sorted(set(range(tensors[name].shape[axis])) - set(kept))
                tensors[name].index_fill_(axis, torch.tensor(gone), 0.0)
    return masked


@pytest.mark.parametrize("choice", CHOICES, ids=str)
def test_the_smaller_network_is_the_whole_one_with_zeros_in_what_went(
    choice: dict[str, object],
) -> None:
    module, images = everything()
    pruned = prune(module, images, **choice)
    with torch.no_grad():
        expected = without(module, pruned.plan)(images)
        torch.testing.assert_close(pruned.module(images), expected, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("choice", CHOICES, ids=str)
def test_macs_and_parameters_are_those_of_the_module(choice: dict[str, object]) -> None:
    module, images = everything()
    pruned = prune(module, images, **choice)
    assert pruned.macs_before == count_macs(module, images)
    assert pruned.macs == count_macs(pruned.module, images)
    assert pruned.parameters == count_parameters(pruned.module) < pruned.parameters_before
    if "macs" in choice:
        assert pruned.macs / pruned.macs_before == pytest.approx(choice["macs"], abs=0.08)


@pytest.mark.parametrize(
    ("network", "shape"), [(Hourglass, (2, 3, 8, 8)), (Fused, (2, 5, 6))], ids=lambda x: str(x)
)
def test_shuffles_skips_and_fused_attention_hold_too(
    network: type[nn.Module], shape: tuple[int, ...]
) -> None:
    torch.manual_seed(0)
    module, values = network().eval(), torch.randn(shape)
    pruned = prune(module, values, ratio=0.5)
    assert pruned.macs == count_macs(pruned.module, values) < 0.45 * pruned.macs_before
    with torch.no_grad():
        expected = without(module, pruned.plan)(values)
        torch.testing.assert_close(pruned.module(values), expected, atol=1e-5, rtol=1e-4)
    if network is Fused:
        assert pruned.plan.attributes[""] == {"heads": 2, "width": 12}
        assert "scale" not in pruned.plan.tensors  # of every head: what stays of them is whole


def test_torchs_own_attention_keeps_its_width_and_the_rest_goes() -> None:
    layer = nn.TransformerEncoderLayer(16, 2, 64, batch_first=True)
    module = nn.Sequential(nn.Linear(4, 16), layer, nn.Linear(16, 2)).eval()
    pruned = prune(module, torch.randn(2, 5, 4), ratio=0.5)
    assert pruned.kept == {"1.linear1.weight": (32, 64)}
    assert "torch.nn.MultiheadAttention in 1.self_attn" in pruned.notes[0]


def test_the_argument_is_left_as_it_was_and_in_its_mode() -> None:
    module, images = everything()
    module.train()
    before = {name: value.clone() for name, value in module.state_dict().items()}
    pruned = prune(module, images, ratio=0.5)
    assert module.training
    assert pruned.module.training
    assert all(torch.equal(before[name], value) for name, value in module.state_dict().items())
    assert all(parameter.grad is None for parameter in module.parameters())


class Elsewhere(Tensor):
    """Samples on another device: no operation takes them beside those of the CPU."""

    @classmethod
    def __torch_function__(
        cls, function: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        if function is not Tensor.cpu:
            raise RuntimeError("expected all tensors to be on the same device")
        with torch._C.DisableTorchFunctionSubclass():
            return args[0].as_subclass(Tensor)


def test_the_example_may_lie_on_another_device() -> None:
    module = nn.Sequential(nn.Linear(4, 8), nn.Linear(8, 2))
    example = torch.ones(2, 4).as_subclass(Elsewhere)
    assert prune(module, example, ratio=0.5).kept == {"0.weight": (4, 8)}
    assert prune(module, [example], ratio=0.5).kept == {"0.weight": (4, 8)}


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_a_network_on_a_gpu_is_pruned_as_on_the_cpu() -> None:
    module, images = everything()
    expected = prune(module, images, ratio=0.5)
    found = prune(module.cuda(), images.cuda(), ratio=0.5)
    assert found.plan == expected.plan
    assert {tensor.device.type for tensor in found.module.parameters()} == {"cpu"}
    torch.testing.assert_close(found.module(images.cpu()), expected.module(images.cpu()))


def test_each_part_keeps_its_own_mode() -> None:
    module, images = everything()
    module.train()
    frozen = {name for name, part in module.named_modules() if isinstance(part, nn.BatchNorm2d)}
    for name in frozen:
        module.get_submodule(name).eval()
    pruned = prune(module, images, ratio=0.5)
    still = {name for name, part in pruned.module.named_modules() if not part.training}
    assert still == frozen == {"body.0.norm", "body.1.norm"}


def test_widths_are_rounded_to_the_nearest_block_and_never_to_nothing() -> None:
    module, images = everything()
    pruned = prune(module, images, ratio=0.45, round_to=8)
    assert pruned.kept["stem.weight"] == (8, 16)  # 8.8 wanted
    assert pruned.kept["squeeze.weight"] == (8, 8)  # one block, whole
    narrow = prune(module, images, ratio=0.97)
    assert min(kept for kept, _ in narrow.kept.values()) >= 1


def test_the_outputs_and_what_is_kept_by_name_stay() -> None:
    module, images = everything()
    pruned = prune(module, images, ratio=0.5, keep=("stem", "body.*.first"))
    assert pruned.module(images).shape == (3, 5)
    assert pruned.module.get_parameter("stem.weight").shape[0] == 16
    assert pruned.module.get_parameter("body.1.first.weight").shape[0] == 16
    assert pruned.module.get_parameter("down.weight").shape[0] == 12


def test_the_least_important_channels_go() -> None:
    torch.manual_seed(0)
    module = nn.Sequential(nn.Conv2d(1, 4, 1), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 9, 2))
    with torch.no_grad():
        for channel, size in enumerate((3.0, 1.0, 4.0, 2.0)):
            module[0].weight[channel] = size
            module[0].bias[channel] = size
            module[3].weight[:, channel * 9 : channel * 9 + 9] = size
    pruned = prune(module, torch.randn(2, 1, 3, 3), ratio=0.5)
    assert pruned.plan.tensors["0.weight"] == {0: (0, 2)}
    assert pruned.plan.tensors["3.weight"] == {1: (*range(9), *range(18, 27))}


def test_taylor_keeps_what_the_loss_depends_on() -> None:
    """Channel 0 is large and unused by the loss; by hand |sum of w g| is zero for it."""
    module = nn.Sequential(nn.Linear(2, 2, bias=False), nn.Linear(2, 2, bias=False))
    with torch.no_grad():
        module[0].weight.copy_(torch.tensor([[9.0, 9.0], [1.0, 1.0]]))
        module[1].weight.copy_(torch.tensor([[0.0, 1.0], [5.0, 1.0]]))
    values = torch.ones(2, 2)

    def loss(network: nn.Module) -> Tensor:
        scores: Tensor = network(values)
        return scores[:, 0].sum()

    assert prune(module, values, ratio=0.5).plan.tensors["0.weight"] == {0: (0,)}
    by_slope = prune(module, values, ratio=0.5, importance="taylor", loss=loss)
    assert by_slope.plan.tensors["0.weight"] == {0: (1,)}
    with pytest.raises(InputError, match="needs a loss"):
        prune(module, values, ratio=0.5, importance="taylor")


def test_the_same_groups_as_torch_pruning_finds() -> None:
    """An independent walk, over the graph of gradients, on a network that it can follow."""
    import torch_pruning

    networks_tool = networks.tool("prune_networks")
    module, _ = networks_tool.build("resnet-50", small=True)
    images = networks_tool.inputs("resnet-50", rows=2, small=True)
    graph = torch_pruning.DependencyGraph().build_dependency(module, images[0])
    names = {part: name for name, part in module.named_modules()}
    found = trace(module, images)
    places = units_of(found).places
    compared = 0
    for part, name in names.items():
        if not isinstance(part, nn.Conv2d) or f"{name}.weight" not in places:
            continue
        root = places[f"{name}.weight"][0][1]
        ours = {
            (tensor.rpartition(".")[0], axis)
            for tensor, axes in places.items()
            for axis, roots in axes.items()
            if tensor.endswith(".weight") and root in roots
        }
        group = graph.get_pruning_group(part, torch_pruning.prune_conv_out_channels, [1])
        theirs = {
            (names[item.dep.target.module], int("in_channels" in item.dep.handler.__name__))
            for item in group
            if item.dep.target.module in names
        }
        theirs = {(n, 0 if "normalization" in n else axis) for n, axis in theirs}
        assert ours == theirs, name
        compared += 1
    assert compared == 15


@pytest.mark.parametrize(
    ("choice", "message"),
    [
        ({}, "wants one of ratio and macs"),
        ({"ratio": 0.5, "macs": 0.5}, "wants one of ratio and macs"),
        ({"ratio": 1.0}, r"ratio is 1.0, not in \[0, 1\)"),
        ({"macs": 0.0}, r"macs is 0.0, not in \(0, 1\]"),
        ({"ratio": 0.5, "round_to": 0}, "round_to is 0"),
        ({"ratio": 0.5, "importance": "l1"}, "importance is 'l1'.* magnitude, taylor or random"),
        ({"ratio": 0.5, "scope": "unifrom"}, "scope is 'unifrom'.* uniform or global"),
    ],
)
def test_settings_that_make_no_sense_are_refused(choice: dict[str, object], message: str) -> None:
    module, images = everything()
    with pytest.raises(InputError, match=message):
        prune(module, images, **choice)


class Fourier(nn.Module):
    """An operator without a rule between the layers."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(6, 8), nn.Linear(8, 3)

    def forward(self, values: Tensor) -> Tensor:
        return self.second(torch.fft.fft(self.first(values)).real)


def test_a_network_that_cant_be_pruned_names_the_operator() -> None:
    with pytest.raises(InputError, match=r"first by aten\.fft_fft"):
        prune(Fourier().eval(), torch.randn(2, 6), macs=0.5)


@pytest.mark.parametrize("choice", [{"ratio": 0.5}, {"macs": 0.9}], ids=str)
def test_where_nothing_can_go_no_copy_is_called_smaller(choice: dict[str, float]) -> None:
    module, values = Fourier().eval(), torch.randn(2, 6)
    with pytest.raises(InputError, match=r"at most 0 % .*what can't go: first by aten\.fft_fft"):
        prune(module, values, **choice)
    whole = prune(module, values, ratio=0)
    assert whole.macs == whole.macs_before == 6 * 8 + 8 * 3


def test_widths_of_one_block_each_are_nothing_that_can_go() -> None:
    module, values = nn.Sequential(nn.Linear(4, 8), nn.Linear(8, 2)), torch.ones(2, 4)
    with pytest.raises(InputError, match=r"what can't go: 1 by the output.*round to fewer"):
        prune(module, values, ratio=0.5, round_to=8)
    assert prune(module, values, ratio=0.5, round_to=4).kept == {"0.weight": (4, 8)}


def test_a_network_that_cant_be_followed_says_so() -> None:
    class Branching(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Linear(4, 4)

        def forward(self, values: Tensor) -> Tensor:
            return self.layer(values) if float(values.sum()) > 0 else values

    with pytest.raises(InputError, match="can't be captured"):
        prune(Branching(), torch.ones(2, 4), macs=0.5)
