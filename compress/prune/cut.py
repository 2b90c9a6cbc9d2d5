"""A plan applied to a network: tensors cut, and the sizes that modules hold set to fit."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from compress.errors import InputError
from compress.prune.plan import Plan, Setting


def apply_plan(module: nn.Module, plan: Plan, *, where: str = "plan") -> None:
    """Make module, in place, what the plan keeps of it. InputError where the plan is of another."""
    keep_layers(module, plan.layers, where=where)
    make_plain(module, plan.plain, where=where)
    cut_tensors(module, plan.tensors, where=where)
    set_attributes(module, plan.attributes, where=where)
    for part in module.modules():
        refit(part)


def weight_norms(module: nn.Module) -> tuple[str, ...]:
    """Modules whose tensors are computed from others (torch.nn.utils.parametrize)."""
    return tuple(
        name
        for name, part in module.named_modules()
        if nn.utils.parametrize.is_parametrized(part) and not name.endswith("parametrizations")
    )


def make_plain(module: nn.Module, names: tuple[str, ...], *, where: str) -> None:
    """Replace computed tensors by what they are."""
    for name in names:
        part = _part(module, name, where)
        if not nn.utils.parametrize.is_parametrized(part):
            raise InputError(f"{name} has no computed tensors", where=where, cure=_OTHER)
        computed: Any = part.parametrizations
        values = {str(tensor): getattr(part, str(tensor)) for tensor in computed}
        # remove_parametrizations would take the tensor from the class, which copies share.
        del part.parametrizations
        part.__class__ = type(part).__mro__[1]
        for tensor, value in values.items():
            part.register_parameter(tensor, nn.Parameter(value.detach().clone()))


def keep_layers(module: nn.Module, layers: Mapping[str, tuple[int, ...]], *, where: str) -> None:
    """Leave these members of lists of modules, in place."""
    for name, kept in layers.items():
        found = _part(module, name, where)
        if not isinstance(found, (nn.ModuleList, nn.Sequential)) or kept[-1:] >= (len(found),):
            raise InputError(f"{name} has no layers {kept}", where=where, cure=_OTHER)
        members = [found[index] for index in kept]
        while len(found):
            del found[len(found) - 1]
        found.extend(members)


def cut_tensors(
    module: nn.Module, tensors: Mapping[str, Mapping[int, tuple[int, ...]]], *, where: str
) -> None:
    """Keep these indices of parameters and buffers; one that is shared stays shared."""
    for name, axes in tensors.items():
        owner, _, attribute = name.rpartition(".")
        held = getattr(_part(module, owner, where), attribute, None)
        if not isinstance(held, Tensor):
            raise InputError(f"there is no tensor {name}", where=where, cure=_OTHER)
        value = held.detach()
        for axis, kept in axes.items():
            if axis >= value.ndim or (kept and kept[-1] >= value.shape[axis]):
                raise InputError(
                    f"{name} has the shape {tuple(held.shape)}, which does not fit",
                    where=where,
                    cure=_OTHER,
                )
            value = value.index_select(axis, torch.tensor(kept))
        value = value.clone()
        parameter = isinstance(held, nn.Parameter)
        new = nn.Parameter(value, requires_grad=held.requires_grad) if parameter else value
        for part in module.modules():
            table: Any = part._parameters if parameter else part._buffers
            for key, tensor in table.items():
                if tensor is held:
                    table[key] = new


def set_attributes(
    module: nn.Module, attributes: Mapping[str, Mapping[str, Setting]], *, where: str
) -> None:
    """Numbers that the modules' own code reads."""
    for name, settings in attributes.items():
        part = _part(module, name, where)
        for attribute, value in settings.items():
            if not hasattr(part, attribute):
                raise InputError(f"{name} has no {attribute}", where=where, cure=_OTHER)
            setattr(part, attribute, value)


def refit(part: nn.Module) -> None:
    """Set the sizes of torch's own layers to those of their tensors."""
    match part:
        case nn.Linear():
            part.out_features, part.in_features = part.weight.shape
        case nn.Conv1d() | nn.Conv2d() | nn.Conv3d():
            part.out_channels = part.weight.shape[0]
            part.in_channels = part.weight.shape[1] * part.groups
        case nn.ConvTranspose1d() | nn.ConvTranspose2d() | nn.ConvTranspose3d():
            part.in_channels = part.weight.shape[0]
            part.out_channels = part.weight.shape[1] * part.groups
        case nn.LayerNorm() | nn.RMSNorm() if part.weight is not None:
            part.normalized_shape = tuple(part.weight.shape)
        case nn.GroupNorm() if part.weight is not None:
            part.num_channels = part.weight.shape[0]
        case nn.Embedding():
            part.embedding_dim = part.weight.shape[1]
        case nn.PReLU():
            part.num_parameters = part.weight.shape[0]
        case nn.modules.batchnorm._NormBase():
            held = part.running_mean if part.weight is None else part.weight
            if held is not None:
                part.num_features = held.shape[0]
        case _:
            pass


_OTHER = "it belongs to another network, or to other settings of this one"


def _part(module: nn.Module, name: str, where: str) -> nn.Module:
    try:
        return module.get_submodule(name)
    except AttributeError:
        raise InputError(f"there is no module {name!a}", where=where, cure=_OTHER) from None
