"""The ONNX files of several teachers as one file that gives the mean of their probabilities."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from compress.errors import ExportError
from compress.teachers.scores import FLOOR
from exporters.artifact import open_artifact
from exporters.atomic import write_bytes

if TYPE_CHECKING:
    from onnx import GraphProto, ModelProto

OUTPUT = "logits"


def merge(sources: Sequence[Path], target: Path, *, weights: Sequence[float]) -> None:
    """Write one file that takes what each of them takes, by the same names, and answers as
    compress.teachers.several.mean_of. sources: single files that give logits, as adapt writes them.

    Raises ExportError where their operator sets can't be made alike.
    """
    import onnx
    from onnx import helper, numpy_helper

    models = _alike([onnx.load(str(source)) for source in sources], sources)
    total = float(sum(weights))
    nodes, initializers, infos, shares = [], [], [], []
    for index, (model, weight) in enumerate(zip(models, weights, strict=True)):
        graph = _prefixed(model, f"teacher{index}_")
        nodes += graph.node
        initializers += graph.initializer
        infos += graph.value_info
        share = numpy_helper.from_array(
            np.array(weight / total, dtype=np.float32), f"teacher{index}_weight"
        )
        initializers.append(share)
        chances, weighed = f"teacher{index}_chances", f"teacher{index}_weighed"
        nodes.append(helper.make_node("Softmax", [graph.output[0].name], [chances], axis=-1))
        nodes.append(helper.make_node("Mul", [chances, share.name], [weighed]))
        shares.append(weighed)
    least = numpy_helper.from_array(np.array(FLOOR, dtype=np.float32), "least_probability")
    initializers.append(least)
    nodes += [
        helper.make_node("Sum", shares, ["mean_probabilities"]),
        helper.make_node("Max", ["mean_probabilities", least.name], ["kept_probabilities"]),
        helper.make_node("Log", ["kept_probabilities"], [OUTPUT]),
    ]
    first = models[0]
    output = onnx.ValueInfoProto()
    output.CopyFrom(first.graph.output[0])
    output.name = OUTPUT
    merged = helper.make_model(
        helper.make_graph(
            nodes, "several", list(first.graph.input), [output], initializers, value_info=infos
        ),
        opset_imports=first.opset_import,
        functions=[function for model in models for function in model.functions],
    )
    merged.ir_version = max(model.ir_version for model in models)
    write_bytes(target, merged.SerializeToString(deterministic=True))
    open_artifact(target)


def _alike(models: list[ModelProto], sources: Sequence[Path]) -> list[ModelProto]:
    """The same models at the newest operator set among them."""
    from onnx import version_converter

    wanted = max(_opset(model) for model in models)
    found = []
    for model, source in zip(models, sources, strict=True):
        others = {entry.domain for entry in model.opset_import} - {"", "ai.onnx"}
        if _opset(model) == wanted and not (others and _domains(model) != _domains(models[0])):
            found.append(model)
            continue
        try:
            found.append(version_converter.convert_version(model, wanted))
        except Exception as error:  # the converter's own have no common base class
            raise ExportError(
                f"has operator set {_opset(model)}, another teacher's has {wanted}, and they can't "
                "be made alike",
                where=str(source),
                cure=f"export it with operator set {wanted}",
            ) from error
    return found


def _opset(model: ModelProto) -> int:
    return max((e.version for e in model.opset_import if e.domain in ("", "ai.onnx")), default=1)


def _domains(model: ModelProto) -> dict[str, int]:
    return {entry.domain: entry.version for entry in model.opset_import}


def _prefixed(model: ModelProto, prefix: str) -> GraphProto:
    """The graph with other names everywhere but at its inputs."""
    from onnx import compose

    return compose.add_prefix(model, prefix, rename_inputs=False).graph
