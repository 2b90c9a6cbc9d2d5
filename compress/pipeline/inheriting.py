"""`student: {kind: pruned}` and `{kind: truncated}`: cut the teacher first, then go on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from compress.pipeline.context import Context
from compress.pipeline.stage import Finished, OnEvent, Stage
from compress.pipeline.stage_runner import StageRunner
from compress.pipeline.stages.inheriting import PRUNE, inheriting_stages
from compress.prune.saved import PLAN_FILE, WEIGHTS_FILE
from compress.recipe.inherited_nodes import InheritedStudent, PrunedStudent, TruncatedStudent


def inheritance_stages(context: Context) -> tuple[Stage, ...]:
    """The stages that come before the rest of a run; none with another student."""
    node, teacher = context.recipe.student, context.recipe.teacher
    if not isinstance(node, (PrunedStudent, TruncatedStudent)) or teacher is None:
        return ()
    return inheriting_stages(context, node, teacher)


def with_inherited(context: Context, finished: Mapping[str, Finished]) -> Context:
    """The context with the student that came out, by its plan and its weights."""
    if PRUNE not in finished:
        return context
    done, teacher = finished[PRUNE], context.recipe.teacher
    assert teacher is not None
    student = InheritedStudent(
        kind="inherited",
        teacher=teacher,
        plan=done.files[PLAN_FILE].read_text(encoding="utf-8"),
        weights=str(done.files[WEIGHTS_FILE]),
        weights_digest=done.entry.files[WEIGHTS_FILE],
    )
    return replace(context, recipe=context.recipe.model_copy(update={"student": student}))


def inherited(
    context: Context, *, runner: StageRunner, on_event: OnEvent
) -> tuple[Context, Mapping[str, Finished]]:
    """The context with its student cut out of the teacher where it is one, and what that took."""
    done = runner.run(inheritance_stages(context), on_event=on_event)
    return with_inherited(context, done), done
