"""One arm of against.py: a student from its recipe to its int8 file, by the stages of a run."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import TypeAdapter

from compress.pipeline.context import Context
from compress.pipeline.graph import run_stages
from compress.pipeline.inheriting import inheritance_stages, with_inherited
from compress.pipeline.run import prepare
from compress.pipeline.stage import Finished
from compress.pipeline.stages.exporting import FLOAT_FILE, export_stage
from compress.pipeline.stages.predicting import predict
from compress.pipeline.stages.quantizing import FACTS, INT8_FILE, quantize_stage
from compress.pipeline.stages.teacher import teacher_stages, view_names
from compress.pipeline.stages.teacher_files import OUTPUTS
from compress.pipeline.stages.training import precision_stage, train_stage
from compress.recipe.load import load_recipe
from compress.recipe.loss_nodes import LossNode
from compress.recipe.nodes import StaticQuantize, StudentNode
from compress.recipe.teaching import reads_stored
from compress.store.store import Store
from exporters.events import Event

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
LABELS = {"kind": "labels", "smoothing": 0.1}


@dataclass(frozen=True, slots=True, kw_only=True)
class Trained:
    """One arm after its training: the int8 file, its validation accuracy, seconds of what."""

    path: Path
    accuracy: float
    epoch_s: float
    train_s: float
    outputs_s: float
    answers: str  # on test, unread


def context_of(store: Store) -> Context:
    """The recipe of the search with all that a rival has in common with what was found."""
    fixed = (
        "student={kind: factory, name: residual, widths: [16]}",
        "quantize={kind: static, samples: 512, max_drop: 100pp}",
        "budgets=[]",
    )
    return prepare(load_recipe(HERE / "auto.yaml", overrides=fixed), cache=store.root)


def train(
    arm: Mapping[str, Any], *, epochs: int, seed: int, context: Context, store: Store
) -> Trained:
    """The whole way of one arm to its int8 file, by the stages of a run."""
    student: Any = TypeAdapter(StudentNode).validate_python(arm["student"])
    changes: dict[str, Any] = {"epochs": epochs, "seed": seed}
    if "views" in arm:  # of a teacher: as the recipe of the search, but for a loss that is named
        changes["views"], loss = arm["views"], arm.get("loss")
    else:
        changes["learning_rate"], loss = arm["learning_rate"], LABELS
    if loss is not None:
        changes["loss"] = TypeAdapter(LossNode).validate_python(loss)
    node = context.recipe.distill.model_copy(update=changes)
    recipe = context.recipe.model_copy(update={"student": student, "distill": node})
    own = replace(context, recipe=recipe)
    own = with_inherited(own, run_stages(inheritance_stages(own), store=store, on_event=_quiet))
    quantize = own.recipe.quantize
    assert isinstance(quantize, StaticQuantize)
    stages = (
        *teacher_stages(own),
        precision_stage(own),
        train_stage(own, "arm", node, view_names(own) if reads_stored(node) else ()),
        export_stage(own, "arm-export", "arm"),
        quantize_stage(own, quantize, "arm-int8", "arm-export", FLOAT_FILE),
    )
    done = run_stages(stages, store=store, on_event=_quiet)
    history: Any = done["arm"].entry.meta["history"]
    path = done["arm-int8"].files[INT8_FILE]
    right = predict(path, own.task, own.task.test(), threads=own.threads)
    return Trained(
        path=path,
        accuracy=float(done["arm-int8"].json(FACTS)["int8_accuracy"]),
        epoch_s=float(np.median([one["seconds"] for one in history["epochs"]])),
        train_s=sum(one["seconds"] for one in history["epochs"]),
        outputs_s=sum(_seconds(one) for key, one in done.items() if key.startswith(OUTPUTS)),
        answers=base64.b85encode(right.astype(np.uint8).tobytes()).decode(),
    )


def _seconds(done: Finished) -> float:
    return done.entry.seconds


def _quiet(event: Event) -> None:
    pass
