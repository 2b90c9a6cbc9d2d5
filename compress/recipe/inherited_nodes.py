"""Students that begin as a part of their teacher: narrower, or with fewer blocks."""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import sha256
from typing import Annotated, Any, Literal

from pydantic import Field, FieldSerializationInfo, field_serializer

from compress.recipe.node import Node
from compress.recipe.teacher_nodes import TeacherNode
from compress.recipe.units import Percent

Blocks = Annotated[int, Field(ge=1, le=4096)]
SOURCES = ("torch", "transformers", "python")  # kinds of teachers that have layers
WITH_FILES = {"files": True}  # of a dump: with the place of the weights


class PrunedStudent(Node):
    """The teacher with narrower layers. macs: multiply-accumulates that stay; ratio: of the
    channels that go; one of them. layers: blocks that are kept first, evenly spaced.

    scope: the same share of every width, or the least important channels of all. round_to:
    channels come in multiples of it; auto measures which is fast here. keep: patterns of modules
    whose outputs all stay. samples: of the training split, for taylor,
    which needs classes.
    """

    kind: Literal["pruned"]
    macs: Percent | None = None
    ratio: Percent | None = None
    layers: Blocks | None = None
    scope: Literal["uniform", "global"] = "uniform"
    importance: Literal["magnitude", "taylor", "random"] = "magnitude"
    samples: int = Field(default=256, ge=2)
    round_to: Annotated[int, Field(ge=1, le=1024)] | Literal["auto"] = "auto"
    keep: tuple[str, ...] = ()


class TruncatedStudent(Node):
    """The teacher with `layers` of its blocks: evenly spaced, or those that change their input
    most (on `samples` of the training split)."""

    kind: Literal["truncated"]
    layers: Blocks
    by: Literal["spacing", "importance"] = "spacing"
    samples: int = Field(default=32, ge=2)


class InheritedStudent(Node):
    """What pruning or truncating made of a teacher, which no recipe writes: the plan as JSON, and
    the weights that training starts from."""

    kind: Literal["inherited"]
    teacher: TeacherNode
    plan: str
    weights: str  # a path
    weights_digest: str

    @field_serializer("plan", "weights")
    def _place(self, text: str, info: FieldSerializationInfo) -> str:
        """Keys of stages hold digests; where the store lies changes nothing."""
        context: Any = info.context
        if context == WITH_FILES:
            return text
        return sha256(text.encode()).hexdigest() if info.field_name == "plan" else ""


def inherited_problems(
    student: Node, teacher: TeacherNode | None
) -> Iterator[tuple[tuple[str, ...], str, str]]:
    """What such a student lacks: where, what, cure."""
    if not isinstance(student, (PrunedStudent, TruncatedStudent)):
        return
    if teacher is None:
        yield ("student", "kind"), "there is no teacher to inherit from", "write `teacher:`"
    elif teacher.kind not in SOURCES:
        what = f"a teacher of kind {teacher.kind} has no layers that a student could inherit"
        yield ("student", "kind"), what, f"name one of kind {', '.join(SOURCES)}"
    if isinstance(student, PrunedStudent):
        cure = "write `macs: 50%`, of what stays, or `ratio: 30%`, of the channels that go"
        if (student.macs is None) == (student.ratio is None):
            yield ("student",), "wants one of macs and ratio", cure
        if student.macs is not None and not 0 < student.macs <= 1:
            yield ("student", "macs"), "is not above 0 and at most 100%", cure
        if student.ratio is not None and not student.ratio < 1:
            yield ("student", "ratio"), "is not below 100%", cure
