"""A smaller network on disk: its weights as safetensors, and the plan that fits an architecture."""

from __future__ import annotations

import copy
import os
from pathlib import Path

from torch import nn

from compress.prune.cut import apply_plan
from compress.prune.plan import Plan, plan_from_json
from compress.prune.values import Pruned
from exporters.atomic import write_text
from exporters.errors import InputError
from exporters.weights import load_into, load_weights, save_weights

WEIGHTS_FILE = "weights.safetensors"
PLAN_FILE = "plan.json"
_LARGEST = 64 << 20  # bytes; more is no plan


def save_pruned(pruned: Pruned, folder: str | os.PathLike[str]) -> None:
    """Write plan.json and weights.safetensors into folder, which is made; nothing else is needed to
    load the network again but the code of its architecture."""
    home = Path(folder)
    home.mkdir(parents=True, exist_ok=True)
    save_weights(home / WEIGHTS_FILE, pruned.module.state_dict())
    write_text(home / PLAN_FILE, pruned.plan.to_json())


def load_pruned(module: nn.Module, folder: str | os.PathLike[str]) -> nn.Module:
    """The saved network, in eval mode. module: the whole architecture, from its factory, with any
    weights; it is left as it was. Raises InputError where one of the files does not fit it."""
    home = Path(folder)
    plan = read_plan(home / PLAN_FILE, most=indices_of(module))
    made = rebuilt(module, plan, where=str(home / PLAN_FILE))
    load_into(made, load_weights(home / WEIGHTS_FILE), where=str(home / WEIGHTS_FILE))
    return made.eval()


def indices_of(module: nn.Module) -> int:
    """How many indices a plan of this network names at most: of its tensors and its lists."""
    tensors = (*module.parameters(), *module.buffers())
    lists = (part for part in module.modules() if isinstance(part, (nn.ModuleList, nn.Sequential)))
    return sum(sum(tensor.shape) for tensor in tensors) + sum(len(part) for part in lists)


def read_plan(path: Path, *, most: int | None = None) -> Plan:
    """most: see plan_from_json. Raises InputError for a file that is no plan."""
    try:
        if path.stat().st_size > _LARGEST:
            raise InputError("is larger than any plan", where=str(path))
        text, where = path.read_bytes(), str(path)
        if most is None:
            return plan_from_json(text, where=where)
        return plan_from_json(text, where=where, most=most)
    except OSError as error:
        raise InputError(f"can't be read: {error.strerror}", where=str(path)) from error


def rebuilt(module: nn.Module, plan: Plan, *, where: str = "plan") -> nn.Module:
    """A copy of module of which the plan's part is left, with the weights that it has."""
    made = copy.deepcopy(module).cpu()
    apply_plan(made, plan, where=where)
    return made
