"""`from compress import prune`: a trained network in, a narrower one that inherits weights out."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import get_args

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from compress.errors import InputError
from compress.prune.choose import Scope, check_any_goes, chosen, chosen_for
from compress.prune.cut import make_plain, weight_norms
from compress.prune.held_sizes import fitted
from compress.prune.importance import Importance, Loss, scores_of
from compress.prune.plan import Plan, Setting
from compress.prune.trace import trace
from compress.prune.units import Units, kept_counts, shape_left, units_of
from compress.prune.values import Pruned, Traced
from compress.prune.words import check_word


def prune(
    module: nn.Module,
    example: Tensor | Sequence[Tensor],
    *,
    ratio: float | None = None,
    macs: float | None = None,
    scope: Scope = "uniform",
    importance: Importance = "magnitude",
    loss: Loss | None = None,
    round_to: int = 1,
    keep: Sequence[str] = (),
    seed: int = 0,
) -> Pruned:
    """A copy with narrower layers: channels, attention heads, feed-forward and hidden widths.

    example: the inputs, (batch, ...). Exactly one of ratio (of the channels, in [0, 1)) and macs
    (of the multiply-accumulates that stay, in (0, 1]; the nearest that the rounding allows). scope:
    the same share of every width, or the least important of all widths. importance: see scores_of;
    taylor needs `loss`, a function of the module that gives a number, or parts whose sum it is, one
    at a time, to save memory. round_to: channels come in multiples of it;
    compress.prune.block measures which is fast. keep: patterns of modules whose outputs stay.
    The copy, which `loss` gets too, is on the CPU. The outputs of the whole network always stay.
    Norms with running statistics want training or re-estimation afterwards.

    Raises InputError for a network that can't be pruned so far, or not at all where something is
    asked to go, naming the operator in the way.
    """
    _check(ratio, macs, round_to)
    check_word("scope", scope, known=get_args(Scope), where="prune")
    check_word("importance", importance, known=get_args(Importance), where="prune")
    given = (example,) if isinstance(example, Tensor) else tuple(example)
    inputs = tuple(tensor.cpu() for tensor in given)
    made = copy.deepcopy(module).cpu().eval()
    plain = weight_norms(made)
    make_plain(made, plain, where="prune")
    found = trace(made, inputs)
    units = units_of(found, keep=keep)
    if ratio or (macs is not None and macs < 1):
        check_any_goes(units, round_to=round_to)
    scores = scores_of(units, made, by=importance, count=found.known.count, loss=loss, seed=seed)
    before = kept_counts(found, np.zeros(found.known.count, dtype=bool))
    if ratio is not None:
        removed = chosen(units, scores, ratio=ratio, scope=scope, round_to=round_to)
    else:
        assert macs is not None
        removed = chosen_for(
            units,
            scores,
            macs=lambda gone: kept_counts(found, gone),
            target=macs * before,
            scope=scope,
            round_to=round_to,
        )
    parameters = _parameters(made)
    plan = _plan(made, found, units, removed, plain)
    smaller, plan = fitted(made, plan, found, removed, inputs)
    for name, part in smaller.named_modules():
        part.training = module.get_submodule(name).training
    return Pruned(
        module=smaller,
        plan=plan,
        macs_before=round(before),
        macs=round(kept_counts(found, removed)),
        parameters_before=parameters,
        parameters=_parameters(smaller),
        kept=_widths(units, removed),
        notes=tuple(
            f"{', '.join(names[:3])}{f' and {len(names) - 3} more' if len(names) > 3 else ''} "
            f"kept: {why}"
            for why, names in units.blocked.items()
            if why != "the output"
        ),
    )


def _check(ratio: float | None, macs: float | None, round_to: int) -> None:
    cure = "give `ratio=0.3`, of the channels, or `macs=0.5`, of what stays"
    if (ratio is None) == (macs is None):
        raise InputError("wants one of ratio and macs", where="prune", cure=cure)
    if ratio is not None and not 0 <= ratio < 1:
        raise InputError(f"ratio is {ratio}, not in [0, 1)", where="prune", cure=cure)
    if macs is not None and not 0 < macs <= 1:
        raise InputError(f"macs is {macs}, not in (0, 1]", where="prune", cure=cure)
    if round_to < 1:
        raise InputError(f"round_to is {round_to}", where="prune", cure="write 1 or more")


def _plan(
    module: nn.Module,
    found: Traced,
    units: Units,
    removed: NDArray[np.bool_],
    plain: tuple[str, ...],
) -> Plan:
    tensors: dict[str, dict[int, tuple[int, ...]]] = {}
    for name, axes in units.places.items():
        for axis, roots in axes.items():
            kept = np.flatnonzero(~removed[roots])
            if len(kept) < len(roots):
                tensors.setdefault(name, {})[axis] = tuple(kept.tolist())
    attributes: dict[str, dict[str, Setting]] = {}
    for count in found.groups:
        roots = found.known.find(count.labels).numpy()
        whole = ~removed[roots]
        attributes.setdefault(count.module, {})[count.attribute] = int(whole.any(axis=1).sum())
    for norm in found.norms:
        part, path = module.get_submodule(norm.written.module), norm.written.module
        if not isinstance(part, (nn.LayerNorm, nn.RMSNorm, nn.modules.batchnorm._NormBase)):
            continue  # the user's own code, which calls the function
        shape = shape_left(norm.written, found, removed)
        left = tuple(shape[axis] for axis in norm.axes)
        if left != tuple(norm.written.shape[axis] for axis in norm.axes):
            setting = left if norm.attribute == "normalized_shape" else left[0]
            attributes.setdefault(path, {})[norm.attribute] = setting
    return Plan(tensors=tensors, attributes=attributes, plain=plain)


def _widths(units: Units, removed: NDArray[np.bool_]) -> dict[str, tuple[int, int]]:
    widths: dict[str, tuple[int, int]] = {}
    for group in units.groups:
        before = widths.get(group.layer, (group.channels, group.channels))[0]
        gone = int(removed[group.roots].sum()) * group.size
        widths[group.layer] = (before - gone, group.channels)
    return widths


def _parameters(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())
