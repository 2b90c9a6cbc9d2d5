"""Where a teacher comes from: frozen nodes, tagged by `kind`."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from compress.recipe.node import Node

Scores = Literal["logits", "probabilities"]  # what the model gives: before or after softmax


class TorchTeacher(Node):
    """A torch module from a factory, with safetensors weights."""

    kind: Literal["torch"]
    target: str
    weights: str
    outputs: Scores = "logits"


class TransformersTeacher(Node):
    """A folder of the transformers library: config.json and safetensors, read offline."""

    kind: Literal["transformers"]
    path: str


class OnnxTeacher(Node):
    """An ONNX file of any framework, run by onnxruntime: a black box.

    output: the name of the scores, where the file has several. layout: of its images.
    """

    kind: Literal["onnx"]
    path: str
    outputs: Scores = "logits"
    output: str | None = None
    layout: Literal["auto", "nchw", "nhwc"] = "auto"


class RunTeacher(Node):
    """The student that an earlier run shipped: its run folder."""

    kind: Literal["run"]
    path: str


class OutputsTeacher(Node):
    """Stored outputs, .npz or .safetensors, by sample id: logits, top-k, or hard labels."""

    kind: Literal["outputs"]
    path: str


class PythonTeacher(Node):
    """A factory of a torch module with its weights, or a function of a batch: a black box."""

    kind: Literal["python"]
    target: str
    outputs: Scores = "logits"


TeacherNode = Annotated[
    TorchTeacher | TransformersTeacher | OnnxTeacher | RunTeacher | OutputsTeacher | PythonTeacher,
    Field(discriminator="kind"),
]
