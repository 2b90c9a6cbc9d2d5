"""Distillation of modules in memory, in the calling process: for notebooks and training scripts."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from pydantic import ValidationError
from torch import nn

from compress.distill.axes import teacher_axes, teacher_width
from compress.distill.devices import make_accelerator
from compress.distill.evaluate import Validation, embed, spread_samples
from compress.distill.feed import TrainingFeed
from compress.distill.objective import build_objective
from compress.distill.same_training import hold_to, shapes_digest, weights_digest
from compress.distill.settings import settings_of
from compress.distill.teaching import OnlineTeacher
from compress.distill.trainer import train
from compress.errors import InputError
from compress.metrics.fidelity import MOST_VALIDATED
from compress.recipe.loss_needs import (
    compares_classes,
    needs_axes,
    needs_projection,
    needs_teacher,
    needs_whole_batch,
    taps_of,
)
from compress.recipe.loss_nodes import LossNode
from compress.recipe.nodes import Augment, Distill
from compress.tasks.assemble import Parts, assemble
from compress.tasks.augment import Augmentation
from compress.tasks.data import ArrayData, Task
from compress.tasks.labelled import NO_LABEL
from compress.tasks.streams import StreamData, stream_task
from compress.teachers.check import check_apart, check_form, check_right
from compress.teachers.modules import module_teacher
from compress.values import Epoch
from exporters.events import Event

CHECKED = 10_000  # validation samples on which a teacher must be better than chance
FEWEST_CHECKED = 30  # labels below which a sound teacher is no better than chance by bad luck


@dataclass(frozen=True, slots=True, kw_only=True)
class Trained:
    """module: the trained copy, in eval mode on the CPU; epochs: its record."""

    module: nn.Module
    epochs: tuple[Epoch, ...]
    resumed_from_steps: tuple[int, ...]


def distill(
    teacher: nn.Module | None,
    student: nn.Module,
    *,
    data: ArrayData | StreamData | Task,
    loss: Any = "kd",
    settings: Mapping[str, Any] | None = None,
    augment: Mapping[str, Any] | None = None,
    seed: int = 0,
    checkpoints: str | Path | None = None,
    on_event: Callable[[Event], None] = lambda event: None,
) -> Trained:
    """Train a copy of `student` on `data`, taught by `teacher`; both arguments stay as they are.

    student: gives (batch, classes) logits. teacher: a module that answers in the loop, in eval mode
    and without gradients; None for `loss="labels"`, or where settings say `teach_by: average`.
    loss, settings, augment: as under `distill.loss`, `distill` and `task.augment` of a recipe, a
    kind alone or a mapping: `loss={"kind": "kd", "temperature": 2}`, `settings={"epochs": 4}`.
    data: arrays or streams per split, or a task; of streams, modules are called with features
    (batch, frames, width) and mask (batch, frames) and give (batch, frames, classes). seed: of
    batch order, views and adapters. checkpoints: a folder; the same call goes on from the newest
    one there, to the bits of an unbroken training.

    Before the first step the teacher is checked on validation, on at most 10,000 samples: its
    classes are as many as the data's, it answers a sample alike each time and whatever its batch
    mates, gives logits, and is right more often than naming the largest class would be. Of a task
    of embeddings its answers must be steady and differ from sample to sample. Not checked: averaged
    weights that teach; where there are classes, a teacher of which the loss reads layers alone or
    outputs that need not be scores of classes (`embedding`, `pkt`, `rkd`); and of any whether it is
    right, where validation has fewer than 30 labels.

    Raises InputError for settings that don't fit, for a teacher that fails this check, with the
    likely cause, and for checkpoints of another call, TrainingDiverged on a loss that is not
    finite.
    """
    node = _node(loss, settings or {})
    _check(node, teacher)
    precision = "float32" if node.precision == "auto" else node.precision
    accelerator = make_accelerator(node.device, precision=precision)
    _check_whole(node, processes=accelerator.num_processes)
    task = data if isinstance(data, Task) else _task(data, augment or {}, seed)
    if task.frames and node.mixup is not None:
        raise InputError("frames of streams are not mixed", where="distill(settings=...)")
    taps = taps_of(node.loss)
    online = None
    if teacher is not None and node.teach_by == "teacher" and needs_teacher(node.loss):
        network = copy.deepcopy(teacher)
        _check_teacher(network, task, node.loss, accelerator.device)
        online = OnlineTeacher(network=network, taps=taps)
    folder = None if checkpoints is None else Path(checkpoints)
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
        about = _decisive(node, task, teacher, student, seed)
        hold_to(folder, about, writes=accelerator.is_main_process)
    model = copy.deepcopy(student).train()
    axes = teacher_axes(model, task, teacher=online) if needs_axes(node.loss) else None
    width = teacher_width(task, teacher=online) if needs_projection(node.loss) else None
    outcome = train(
        model,
        feed=TrainingFeed(
            task=task,
            batch=min(node.batch, len(task.train)),
            seed=seed,
            process=accelerator.process_index,
            processes=accelerator.num_processes,
            mixup=node.mixup,
        ),
        objective=build_objective(node.loss, soft_labels=node.mixup is not None, axes=axes),
        settings=settings_of(node, seed=seed),
        accelerator=accelerator,
        teacher=online,
        taps=taps,
        width=width,
        validation=_validation(task, online, accelerator.device),
        checkpoints=folder,
        on_event=on_event,
    )
    return Trained(
        module=outcome.module.cpu(),
        epochs=outcome.epochs,
        resumed_from_steps=outcome.resumed_from_steps,
    )


def _decisive(
    node: Distill,
    task: Task,
    teacher: nn.Module | None,
    student: nn.Module,
    seed: int,
) -> dict[str, Any]:
    """What decides the result of a training, by the names of the arguments."""
    aside = {"loss", "device", "checkpoint_every", "trackers"}
    return {
        "teacher": None if teacher is None else weights_digest(teacher),
        "student": shapes_digest(student),
        "data": task.fingerprint,
        "loss": node.loss.model_dump(mode="json"),
        "settings": node.model_dump(mode="json", exclude=aside),
        "augment": asdict(task.augmentation),
        "seed": seed,
    }


def _validation(task: Task, teacher: OnlineTeacher | None, device: torch.device) -> Validation:
    """Of embeddings by the teacher's similarities, else by accuracy."""
    if task.outputs == "classes":
        return Validation(task=task)
    if teacher is None or teacher.network is None:
        raise InputError(
            "embeddings are learnt from a teacher alone", where="distill(teacher=None)"
        )
    count = min(len(task.validation), MOST_VALIDATED)
    embeddings = embed(teacher.network, task, count, device=device)
    check_apart(embeddings)
    return Validation(task=task, embeddings=embeddings)


def _check_teacher(network: nn.Module, task: Task, loss: LossNode, device: torch.device) -> None:
    """InputError as the docstring of distill says; leaves the network in eval mode, without
    gradients and on the device."""
    teacher = module_teacher(network, name="teacher", digest="")
    scores = task.outputs == "classes" and compares_classes(loss)
    if scores or task.outputs == "embeddings":
        network.cpu()  # some kernels of a GPU round otherwise at another batch
        check_form(teacher, task)
    network.to(device)
    judged = task.validation
    if len(judged) > CHECKED:
        judged = spread_samples(judged, CHECKED)
    if scores and np.count_nonzero(judged.labels != NO_LABEL) >= FEWEST_CHECKED:
        check_right(teacher, replace(task, validation=judged))


def _node(loss: Any, settings: Mapping[str, Any]) -> Distill:
    unused = settings.keys() & {"loss", "processes", "views", "reuse_teacher_outputs", "trackers"}
    if unused:
        raise InputError(
            f"settings hold {', '.join(sorted(unused))}, which have no meaning in memory",
            where="distill(settings=...)",
            cure="remove them; the loss has an argument of its own",
        )
    try:
        return Distill.model_validate({"loss": loss, **settings})
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise InputError(f"{place}: {first['msg']}", where="distill(...)") from error


def _check(node: Distill, teacher: nn.Module | None) -> None:
    if node.teach_by == "average":
        if node.average == 0:
            raise InputError(
                "the averaged weights can't teach: there are none",
                where="distill(settings=...)",
                cure="set average above 0",
            )
    elif teacher is None and needs_teacher(node.loss):
        raise InputError(
            f"loss {node.loss.kind} needs a teacher",
            where="distill(teacher=None)",
            cure='give one, or use loss="labels"',
        )


def _check_whole(node: Distill, *, processes: int) -> None:
    related = needs_whole_batch(node.loss)
    if related is None:
        return
    if node.accumulate > 1:
        raise InputError(
            f"{related} compares the samples of a batch with each other, and its parts lack those "
            "of other parts",
            where="distill(settings=...)",
            cure="leave accumulate out and lower batch, or use kd",
        )
    if processes > 1:
        raise InputError(
            f"{related} compares the samples of a batch with each other, and each of {processes} "
            "processes lacks those of the others",
            where="distill(loss=...)",
            cure="start one process, or use kd",
        )


def _task(data: ArrayData | StreamData, augment: Mapping[str, Any], seed: int) -> Task:
    if isinstance(data, StreamData):
        if augment:
            raise InputError("streams are not augmented", where="distill(augment=...)")
        return stream_task(data, seed=seed, where="distill(data=...)")
    try:
        wanted = Augment.model_validate(dict(augment))
    except ValidationError as error:
        raise InputError(str(error.errors()[0]["msg"]), where="distill(augment=...)") from error
    parts = Parts(
        name="arrays",
        where="distill(data=...)",
        train=data.train,
        test=data.test,
        validation=data.validation,
        classes=data.classes,
        scale=data.scale,
    )
    augmentation = Augmentation(
        pad_pixels=wanted.crop, flip=wanted.flip, erase_probability=wanted.erase
    )
    return assemble(parts, augmentation=augmentation, seed=seed)
