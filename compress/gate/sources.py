"""The keys of a gate file that say where models, evidence and a baseline lie."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Discriminator, Field, Tag

from compress.recipe.node import Node
from compress.recipe.units import Text


class TeacherFile(Node):
    """What `vs: teacher` speaks of."""

    onnx: Text


class BaselineNode(Node):
    """What `vs: baseline` speaks of: the committed store, and the model file itself.

    ref: take both from this git commit instead of the working tree. model: default what the store
    names. missing: what to say when there is none.
    """

    store: Text = "distil.baseline.json"
    model: Text | None = None
    ref: Text | None = None
    missing: Literal["fail", "warn", "seed"] = "fail"


class Feeds(Node):
    """What `distil gate --measure` runs on.

    task: a recipe, of which only the task, `slices` and the seed count. predictions: an npz file
    with `labels`, and `student`, `teacher`, `baseline`: a class index or scores per sample;
    `groups` says which recording or document a sample is of, any further array is a column. inputs:
    samples for timing (npy, npz). shapes: sizes of open dimensions, input -> "1,128".
    """

    task: Text | None = None
    predictions: Text | None = None
    inputs: Text | None = None
    shapes: dict[str, Text] = Field(default_factory=dict)


class BenchmarkSource(Node):
    """Files that pytest-benchmark wrote, one per process; names of the benchmarks in them.

    Each file is one epoch: a verdict against the teacher or baseline needs ten.
    """

    pytest_benchmark: tuple[Text, ...] = Field(min_length=1, alias="pytest-benchmark")
    student: Text
    teacher: Text | None = None
    baseline: Text | None = None
    on: Literal["cpu", "cuda"] = "cpu"
    batch: int = Field(default=1, ge=1)
    threads: int = Field(default=1, ge=1)


SourceNode = Annotated[
    Annotated[Text, Tag("path")] | Annotated[BenchmarkSource, Tag("benchmark")],
    Discriminator(lambda value: "path" if isinstance(value, str) else "benchmark"),
]
