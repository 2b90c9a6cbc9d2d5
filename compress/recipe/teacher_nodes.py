"""Where a teacher comes from: frozen nodes, tagged by `kind`."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

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


Member = (
    TorchTeacher | TransformersTeacher | OnnxTeacher | RunTeacher | OutputsTeacher | PythonTeacher
)


class SeveralTeacher(Node):
    """Several teachers as one: the mean of their probabilities, weighted where weights are given.

    Each has stored outputs of its own, so that another weight or one more costs nothing twice.
    """

    kind: Literal["several"]
    of: Annotated[tuple[Annotated[Member, Field(discriminator="kind")], ...], Field(min_length=2)]
    weights: tuple[Annotated[float, Field(gt=0)], ...] | None = None  # default: all alike

    @model_validator(mode="after")
    def _a_weight_each(self) -> SeveralTeacher:
        if self.weights is not None and len(self.weights) != len(self.of):
            raise ValueError(
                f"{len(self.weights)} weights for {len(self.of)} teachers; write one for each"
            )
        return self


TeacherNode = Annotated[Member | SeveralTeacher, Field(discriminator="kind")]
