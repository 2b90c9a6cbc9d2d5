"""The teacher: checked against the task, as one ONNX file for measuring, its outputs by view."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np

from compress.errors import ExportError, InputError
from compress.metrics.fidelity import MOST_VALIDATED, spread_rows
from compress.pipeline.context import Context, versions_of
from compress.pipeline.stage import Inputs, OnEvent, Stage, StageResult
from compress.pipeline.stages.answering import answering_teacher
from compress.pipeline.stages.predicting import some
from compress.pipeline.stages.several import mean_stage, member_name, together_stage
from compress.pipeline.stages.teacher_files import FACTS as FACTS
from compress.pipeline.stages.teacher_files import OUTPUTS_FILE as OUTPUTS_FILE
from compress.pipeline.stages.teacher_files import TEACHER as TEACHER
from compress.pipeline.stages.teacher_files import TEACHER_FILE as TEACHER_FILE
from compress.pipeline.stages.teacher_files import VALIDATION_FILE as VALIDATION_FILE
from compress.pipeline.stages.teacher_files import has_file as has_file
from compress.pipeline.stages.teacher_files import output_form as output_form
from compress.pipeline.stages.teacher_files import view_name
from compress.recipe.nodes import (
    OnnxTeacher,
    OutputsTeacher,
    SeveralTeacher,
    TeacherNode,
    TransformersTeacher,
)
from compress.recipe.teaching import reads_stored
from compress.store.keys import Json
from compress.tasks.views import as_inputs
from compress.teachers.adapt import adapt
from compress.teachers.build import is_black_box, teacher_digest
from compress.teachers.check import check_embedder, check_teacher, check_use
from compress.teachers.outputs import plain_outputs, store_view
from compress.teachers.teacher import Teacher
from exporters.atomic import atomic_path, write_json
from exporters.events import Event
from exporters.export import export
from exporters.parity import check_parity


def teacher_stages(context: Context) -> tuple[Stage, ...]:
    """Nothing without a teacher; its outputs only where the loss reads them."""
    node = context.recipe.teacher
    if node is None:
        return ()
    if not has_file(context):
        _refuse_comparison(context, node)
    checks = (
        (
            *(_teacher(context, one, member_name(index)) for index, one in enumerate(node.of)),
            together_stage(context, node),
        )
        if isinstance(node, SeveralTeacher)
        else (_teacher(context, node),)
    )
    return (*checks, *(_view(context, view) for view in stored_views(context)))


def view_names(context: Context) -> tuple[str, ...]:
    """The stages that hold the stored outputs which teach, in order of their view."""
    recipe = context.recipe
    if recipe.teacher is None or not reads_stored(recipe.distill):
        return ()
    return tuple(view_name(view) for view in range(recipe.distill.views))


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredView:
    """One view that a stage stores. teacher: the stage that checked who answers, which is `node`;
    of several teachers the mean of what each has stored."""

    stage: str
    teacher: str
    node: TeacherNode
    view: int


def stored_views(context: Context) -> tuple[StoredView, ...]:
    """All views that are stored: of several teachers those of each, then their mean."""
    node = context.recipe.teacher
    if node is None:
        return ()
    members = enumerate(node.of) if isinstance(node, SeveralTeacher) else ()
    sources = [*((member_name(index), one) for index, one in members), (TEACHER, node)]
    return tuple(
        StoredView(stage=view_name(view, teacher), teacher=teacher, node=one, view=view)
        for teacher, one in sources
        for view in range(len(view_names(context)))
    )


def embeddings_needed(context: Context) -> tuple[str, ...]:
    """The file that students of embeddings are judged by on validation; nothing for classes."""
    embeds = context.task.outputs == "embeddings" and context.recipe.teacher is not None
    return (f"{TEACHER}/{VALIDATION_FILE}",) if embeds else ()


def mixup_alpha(context: Context) -> float | None:
    """The alpha of mixup, where the student sees mixtures."""
    return context.recipe.distill.mixup


def view_parts(context: Context, node: TeacherNode, view: int) -> dict[str, Json]:
    """What stored outputs depend on."""
    device = context.recipe.distill.device
    return {
        "teacher": teacher_digest(node, folder=context.folder),
        "data": context.task.fingerprint,
        "augment": asdict(context.task.augmentation),
        "mixup": mixup_alpha(context),
        "form": asdict(output_form(context)),
        "seed": context.recipe.seed,
        "view": view,
        "versions": versions_of("torch", "onnxruntime"),
        **({} if device == "cpu" else {"device": device}),
    }


def _teacher(context: Context, node: TeacherNode, name: str = TEACHER) -> Stage:
    """name: of the stage; of one of several, its own."""
    loss, alpha = context.recipe.distill.loss, mixup_alpha(context)

    def parts(inputs: Inputs) -> Mapping[str, Json]:
        packages = ["torch", "onnx", "onnxscript", "onnxruntime"]
        if isinstance(node, TransformersTeacher):
            packages.append("transformers")
        use: dict[str, Json] = {}
        if isinstance(node, OutputsTeacher):  # what others give fits any loss and any view
            use = {"loss": loss.model_dump(mode="json"), "mixup": alpha is not None}
        return {
            "teacher": teacher_digest(node, folder=context.folder),
            "data": context.task.fingerprint,
            "use": use,
            "export": context.recipe.export.model_dump(mode="json"),
            "versions": versions_of(*packages),
        }

    def compute(inputs: Inputs, work: Path, on_event: OnEvent) -> StageResult:
        task = context.task
        teacher = answering_teacher(context, node, None)
        check_use(teacher, task, loss, mixed=alpha is not None)
        files = {FACTS: work / FACTS}
        accuracy = None
        if task.outputs == "classes":
            accuracy = check_teacher(teacher, task)
            said = f"right on {100 * accuracy:.2f} % of validation"
        else:
            samples = some(task.validation, spread_rows(len(task.validation), MOST_VALIDATED))
            found = plain_outputs(teacher, task, samples)
            check_embedder(teacher, task, found)
            files[VALIDATION_FILE] = work / VALIDATION_FILE
            with atomic_path(files[VALIDATION_FILE]) as temporary, temporary.open("wb") as stream:
                np.save(stream, found)
            said = f"embeddings of {found.shape[1]} numbers"
        if not is_black_box(node, folder=context.folder):
            files[TEACHER_FILE] = work / TEACHER_FILE
            _write_file(context, node, teacher, files[TEACHER_FILE])
        write_json(files[FACTS], {"validation_accuracy": accuracy, "gives": teacher.gives})
        on_event(Event("note", name, said))
        return StageResult(files=files)

    return Stage(name=name, version=3, parts=parts, compute=compute)


def _write_file(context: Context, node: TeacherNode, teacher: Teacher, path: Path) -> None:
    task, settings = context.task, context.recipe.export
    samples = task.validation.inputs[: settings.samples]
    example = as_inputs(task, samples[:2])
    if teacher.onnx_path is not None:
        own = node if isinstance(node, OnnxTeacher) else None
        shapes = {
            name: tuple(tensor.shape[1:])
            for name, tensor in zip(task.input_names, example, strict=True)
        }
        adapt(
            teacher.onnx_path,
            path,
            shapes=shapes,
            dtypes={
                name: str(tensor.dtype).removeprefix("torch.")
                for name, tensor in zip(task.input_names, example, strict=True)
            },
            layout="auto" if own is None else own.layout,
            output=None if own is None else own.output,
            probabilities=own is not None and own.outputs == "probabilities",
        )
        return
    assert teacher.module is not None
    artifact = export(
        teacher.module,
        example,
        path=path,
        opset=settings.opset,
        input_names=task.input_names,
        open_axes=task.open_axes,
    )
    parity = check_parity(
        lambda rows: teacher.answer(*as_inputs(task, rows)),
        artifact,
        inputs=samples,
        collate=task.collate,
        atol=settings.atol,
        rtol=settings.rtol,
    )
    if not parity.passed:
        raise ExportError(
            f"the teacher's ONNX file differs from its module by {parity.max_abs_diff:.3g}",
            where="export",
            cure="raise `export.atol` if that is acceptable",
        )


def _view(context: Context, stored: StoredView) -> Stage:
    node, name, view, teacher_name = stored.node, stored.stage, stored.view, stored.teacher
    if isinstance(node, SeveralTeacher):
        return mean_stage(context, node, view)
    source = FACTS if is_black_box(node, folder=context.folder) else TEACHER_FILE

    def parts(inputs: Inputs) -> Mapping[str, Json]:
        return view_parts(context, node, view)

    def compute(inputs: Inputs, work: Path, on_event: OnEvent) -> StageResult:
        given = inputs.path(teacher_name, source)
        file = given if source == TEACHER_FILE else None
        device = context.recipe.distill.device
        teacher = answering_teacher(context, node, file, device=device)

        def tell(event: Event) -> None:
            on_event(replace(event, stage=name))

        path = work / OUTPUTS_FILE
        store_view(
            teacher,
            context.task,
            path=path,
            seed=context.recipe.seed,
            view=view,
            alpha=mixup_alpha(context),
            form=output_form(context),
            about=inputs.digest(teacher_name, source),
            on_event=tell,
        )
        return StageResult(files={OUTPUTS_FILE: path})

    # The teacher stage also refuses a teacher that is no better than chance.
    needs = (f"{teacher_name}/{source}",)
    return Stage(name=name, version=4, parts=parts, compute=compute, needs=needs)


def _refuse_comparison(context: Context, node: TeacherNode) -> None:
    for budget in context.recipe.budgets:
        if budget.vs == "teacher" and budget.level != "off" and budget.metric != "spearman":
            raise InputError(
                f"budget {budget.id!r} is set against a teacher of kind {node.kind} that has no "
                "model file to measure",
                where="budgets",
                cure="write an absolute limit, or give the teacher as a model",
            )
