"""A pruned network on disk: loaded into its architecture, refused where it doesn't fit."""

from __future__ import annotations

import json
from pathlib import Path

import networks
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from networks import everything
from torch import nn

from compress import prune
from compress.errors import InputError
from compress.prune.plan import Plan, plan_from_json
from compress.prune.saved import load_pruned, save_pruned

TOOL = networks.tool("prune_networks")


@pytest.mark.parametrize("name", ["everything", "wav2vec2-base", "bert-base"])
def test_it_loads_onto_the_architecture_without_the_teachers_weights(
    name: str, tmp_path: Path
) -> None:
    if name == "everything":
        (module, images), other = everything(), networks.Everything()
        example = (images,)
    else:
        module, _ = TOOL.build(name, small=True)
        other, _ = TOOL.build(name, small=True, seed=1)
        example = TOOL.inputs(name, rows=2, small=True)
    save_pruned(prune(module, example, macs=0.5), tmp_path / "made")
    assert sorted(path.name for path in (tmp_path / "made").iterdir()) == [
        "plan.json",
        "weights.safetensors",
    ]
    before = {key: tensor.clone() for key, tensor in other.state_dict().items()}
    loaded = load_pruned(other, tmp_path / "made")
    with torch.no_grad():
        expected = prune(module, example, macs=0.5).module(*example)
        torch.testing.assert_close(loaded(*example), expected)
    assert all(torch.equal(before[key], tensor) for key, tensor in other.state_dict().items())


def test_equal_prunings_give_equal_bytes(tmp_path: Path) -> None:
    module, images = everything()
    for name in ("one", "two"):
        save_pruned(prune(module, images, macs=0.5, importance="random"), tmp_path / name)
    for file in ("plan.json", "weights.safetensors"):
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes()


def test_another_network_is_refused(tmp_path: Path) -> None:
    module, images = everything()
    save_pruned(prune(module, images, ratio=0.5), tmp_path)
    with pytest.raises(InputError, match="belongs to another network"):
        load_pruned(nn.Sequential(nn.Linear(3, 3)), tmp_path)
    with pytest.raises(InputError, match=r"can't be read"):
        load_pruned(module, tmp_path / "absent")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        '{"format": 2}',
        '{"format": 1, "layers": {}, "tensors": {"a": {"0": [[3, 1]]}}, "attributes": {}, '
        '"plain": []}',
        '{"format": 1, "layers": {"a": [[0, 1], [1, 2]]}, "tensors": {}, "attributes": {}, '
        '"plain": []}',
        '{"format": 1, "layers": {}, "tensors": {}, "attributes": {"a": {"b": "x"}}, "plain": []}',
    ],
)
def test_damaged_plans_are_refused(text: str) -> None:
    with pytest.raises(InputError):
        plan_from_json(text, where="plan.json")


@pytest.mark.parametrize(
    ("layers", "tensors"),
    [
        ({}, {"stem.weight": {"0": [[0, 4_000_000]]}}),
        ({"body": [[0, 4_000_000]]}, {}),
        ({}, {f"{index}.weight": {"0": [[0, 99]]} for index in range(200)}),
    ],
    ids=["channels", "layers", "names"],
)
def test_a_plan_of_more_than_the_network_has_is_refused_before_it_is_written_out(
    layers: object, tensors: object, tmp_path: Path
) -> None:
    made = {"format": 1, "layers": layers, "tensors": tensors, "attributes": {}, "plain": []}
    (tmp_path / "plan.json").write_text(json.dumps(made))
    with pytest.raises(InputError, match="keeps more channels than the network has"):
        load_pruned(networks.Everything(), tmp_path)


def test_runs_that_stand_for_millions_are_refused_without_the_network_too() -> None:
    text = '{"format": 1, "layers": {}, "tensors": {"a": {"0": [[0, 5000000]]}}, "plain": []}'
    with pytest.raises(InputError, match="keeps more channels than the network has"):
        plan_from_json(text)


INDICES = st.sets(st.integers(0, 20), min_size=1, max_size=6).map(
    lambda found: tuple(sorted(found))
)
NAMES = st.sampled_from(["", "a", "layer.0", "é"])


@given(
    layers=st.dictionaries(NAMES, INDICES, max_size=3),
    tensors=st.dictionaries(
        NAMES, st.dictionaries(st.integers(0, 4), INDICES, max_size=2), max_size=3
    ),
    attributes=st.dictionaries(
        NAMES,
        st.dictionaries(NAMES, st.integers(0, 99) | INDICES, max_size=2),
        max_size=3,
    ),
)
def test_a_plan_is_read_as_it_was_written(
    layers: dict[str, tuple[int, ...]],
    tensors: dict[str, dict[int, tuple[int, ...]]],
    attributes: dict[str, dict[str, int | tuple[int, ...]]],
) -> None:
    plan = Plan(layers=layers, tensors=tensors, attributes=attributes, plain=("a.b",))
    text = plan.to_json()
    assert plan_from_json(text) == plan
    assert json.loads(text)["format"] == 1
