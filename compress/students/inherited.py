"""A student that begins as a part of its teacher: made once, built again from plan and weights."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor, nn

from compress.metrics.fidelity import spread_rows
from compress.prune.api import prune
from compress.prune.layers import truncate
from compress.prune.plan import plan_from_json
from compress.prune.saved import indices_of, rebuilt
from compress.prune.values import Pruned
from compress.recipe.inherited_nodes import InheritedStudent, PrunedStudent, TruncatedStudent
from compress.students.counts import count_macs, count_parameters
from compress.tasks.data import Task
from compress.tasks.views import as_inputs
from compress.teachers.architecture import architecture
from exporters.weights import load_into, load_weights

_TRACED = 2  # samples
_PART = 16  # samples whose activations are kept at once for gradients


def inherit(
    node: PrunedStudent | TruncatedStudent,
    teacher: nn.Module,
    task: Task,
    *,
    round_to: int,
    seed: int,
) -> Pruned:
    """What the recipe's node asks for. teacher: its module, left as it was. Raises InputError."""
    example = as_inputs(task, task.train.inputs[:_TRACED])
    if isinstance(node, TruncatedStudent):
        rows = spread_rows(len(task.train), node.samples)
        samples = as_inputs(task, task.train.inputs[rows])
        shorter = truncate(teacher, samples, layers=node.layers, by=node.by)
        return Pruned(
            module=shorter.module,
            plan=shorter.plan,
            macs_before=count_macs(teacher, *example),
            macs=count_macs(shorter.module, *example),
            parameters_before=count_parameters(teacher),
            parameters=count_parameters(shorter.module),
            kept={name: (len(kept), of) for name, (kept, of) in shorter.kept.items()},
        )
    module, layers = teacher, None
    if node.layers is not None:
        shorter = truncate(teacher, example, layers=node.layers)
        module, layers = shorter.module, shorter.plan.layers
    share = node.macs
    if share is not None and layers is not None:  # of the whole teacher, blocks that went included
        share = min(1.0, share * count_macs(teacher, *example) / count_macs(module, *example))
    found = prune(
        module,
        example,
        ratio=node.ratio,
        macs=share,
        scope=node.scope,
        importance=node.importance,
        loss=class_loss(task, node.samples) if node.importance == "taylor" else None,
        round_to=round_to,
        keep=node.keep,
        seed=seed,
    )
    if layers is None:
        return found
    return replace(
        found,
        plan=replace(found.plan, layers=layers),
        macs_before=count_macs(teacher, *example),
        parameters_before=count_parameters(teacher),
    )


def class_loss(task: Task, samples: int) -> Callable[[nn.Module], Iterator[Tensor]]:
    """Mean cross-entropy on labels where there are some, elsewhere on the teacher's own classes,
    in parts of 16 samples whose sum it is: what gradients need is kept for one part at a time.

    Of samples from all over the split, since files are often sorted by class."""
    spread = spread_rows(len(task.train), samples)

    def parts(module: nn.Module) -> Iterator[Tensor]:
        for start in range(0, len(spread), _PART):
            rows = spread[start : start + _PART]
            labels = torch.from_numpy(task.train.labels[rows]).long()
            scores: Tensor = module(*as_inputs(task, task.train.inputs[rows]))
            wanted = torch.where(labels >= 0, labels, scores.detach().argmax(1))
            yield nn.functional.cross_entropy(scores, wanted, reduction="sum") / len(spread)

    return parts


def build_inherited(node: InheritedStudent, *, folder: Path) -> nn.Module:
    """The student with the weights that it inherited, in training mode."""
    whole = architecture(node.teacher, folder=folder)
    module = rebuilt(whole, plan_from_json(node.plan, most=indices_of(whole)))
    load_into(module, load_weights(Path(node.weights)), where=node.weights)
    return module.train()
