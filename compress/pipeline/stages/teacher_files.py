"""Names of the teacher's stages and files, and what is known of them from the recipe."""

from __future__ import annotations

from compress.pipeline.context import Context
from compress.recipe.loss_needs import approximate_on_top_k
from compress.recipe.teaching import reads_stored
from compress.teachers.build import is_black_box
from compress.teachers.stored import Form, form_for

TEACHER = "teacher"
OUTPUTS = "teacher-outputs"
OUTPUTS_FILE = "outputs.safetensors"
TEACHER_FILE = "teacher.onnx"
FACTS = "facts.json"
VALIDATION_FILE = "validation.npy"  # the teacher's embeddings of evenly spread validation samples


def view_name(view: int, teacher: str = TEACHER) -> str:
    """The stage that stores one view. teacher: the stage that checked who answers."""
    name = f"{OUTPUTS}-{view}"
    return name if teacher == TEACHER else f"{teacher}-{name}"


def has_file(context: Context) -> bool:
    """Whether there is a teacher whose ONNX file can be measured, quantized and judged."""
    node = context.recipe.teacher
    return node is not None and not is_black_box(node, folder=context.folder)


def output_form(context: Context) -> Form:
    """How its outputs are stored."""
    stored = context.recipe.distill.stored
    classes = context.task.width
    if classes is None:
        return Form(dtype=stored.dtype)
    return form_for(classes, dtype=stored.dtype, k=stored.top_k)


def output_notes(context: Context) -> tuple[str, ...]:
    """What a reader must know of a loss that learns from a short form of the scores."""
    node = context.recipe.distill
    rough = approximate_on_top_k(node.loss)
    k = output_form(context).k if reads_stored(node) else None
    if k is None or not rough:
        return ()
    kinds = ", ".join(f"`{kind}`" for kind in rough)
    said = (
        f"Of the teacher's scores the {k} largest were stored, and the mass of the rest: what "
        f"{kinds} learnt of the rest is approximate. KD at temperature 1 is exact."
    )
    return (said,)
