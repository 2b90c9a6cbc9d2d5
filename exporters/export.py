"""A torch module to one verified ONNX file with a dynamic batch, the same bytes every time."""

from __future__ import annotations

import copy
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from exporters.atomic import atomic_path
from exporters.errors import DistilError, ExportError, InputError
from exporters.values import OnnxArtifact

if TYPE_CHECKING:
    from onnx import ModelProto
    from torch import Tensor, nn

_OPERATOR = re.compile(r"No (?:ONNX|decompositions?)[^<\n]*<OpOverload\(op='([^']+)'")
# What torch says where it symbolizes a frame of such a file.
_NOT_UTF8 = ("surrogates not allowed", "Unable to cast Python instance of type <class 'str'>")
_BATCH = "batch"
_LARGEST = 2**31 - 1  # protobuf's limit, and so that of one file


def export(
    module: nn.Module,
    example: Tensor | tuple[Tensor, ...],
    *,
    path: str | os.PathLike[str],
    opset: int | None = None,
    input_names: Sequence[str] = ("images",),
    output_names: Sequence[str] = ("logits",),
    open_axes: Mapping[int, str] | None = None,
) -> OnnxArtifact:
    """Write module, in evaluation mode, as one ONNX file; module itself is left untouched.

    example: (batch, ...), one tensor per input name, any batch; axis 0 stays dynamic and is called
    "batch" at every input and at the first output. open_axes: further axes of every input that stay
    dynamic, with their names, as {1: "sequence"}; at least 2 long in example.
    opset: asked of torch; the artifact says what the file really has. The file is checked before it
    appears at path. Same weights, same bytes: what names places or moments is taken out. Raises
    ExportError (an operator with no ONNX form, a batch that is baked in, weights that are not
    finite), InputError (path), DistilError (disk).
    """
    examples = example if isinstance(example, tuple) else (example,)
    if len(examples) != len(input_names):
        what = f"{len(examples)} example inputs for {len(input_names)} input names"
        raise ExportError(what, cure="give one example per name")
    with atomic_path(path) as temporary:  # first: an unwritable path fails within milliseconds
        _check_finite(module)
        axes = {0: _BATCH, **(open_axes or {})}
        model = _translate(module, examples, opset, tuple(input_names), tuple(output_names), axes)
        _strip(model)
        data = _serialized(model)
        temporary.write_bytes(data)
        artifact = _verified(temporary)
        _check_axes(artifact, axes)
    return replace(artifact, path=Path(os.path.abspath(path)))


def _check_finite(module: nn.Module) -> None:
    import torch

    for name, tensor in (*module.named_parameters(), *module.named_buffers()):
        if tensor.is_floating_point() and not bool(torch.isfinite(tensor).all()):
            cure = "export the last checkpoint that is finite"
            raise ExportError(f"weight {name!a} holds NaN or infinity", cure=cure)


def _translate(
    module: nn.Module,
    examples: tuple[Tensor, ...],
    opset: int | None,
    input_names: tuple[str, ...],
    output_names: tuple[str, ...],
    axes: Mapping[int, str],
) -> ModelProto:
    import torch

    try:
        subject = copy.deepcopy(module).cpu().eval()
        feeds = tuple(_example(feed) for feed in examples)
        # The batch is a promise; how long another axis may be is for the module to say.
        dims = {axis: torch.export.Dim(name) if axis == 0 else name for axis, name in axes.items()}
        with _quiet(), torch.no_grad():
            program = torch.onnx.export(
                subject,
                feeds,
                dynamo=True,
                external_data=False,
                opset_version=opset,
                input_names=list(input_names),
                output_names=list(output_names),
                dynamic_shapes=tuple(dict(dims) for _ in feeds),
                verbose=False,
            )
            assert program is not None  # it is None only without dynamo
            _forget_places(program.model)
            return program.model_proto
    except DistilError:
        raise
    except Exception as exc:  # torch.export lets through whatever the module raises
        raise _explained(exc, type(module).__name__) from exc


def _example(tensor: Tensor) -> Tensor:
    """On the CPU, and with a batch of at least 2: torch.export takes 0 and 1 for constants."""
    if tensor.ndim == 0 or not len(tensor):
        raise ExportError("the example has no batch axis", cure="give a tensor of (batch, ...)")
    plain = tensor.detach().cpu()
    return plain if len(plain) > 1 else plain.repeat_interleave(2, dim=0)


@contextmanager
def _quiet() -> Iterator[None]:
    """Nothing on stdout or stderr, no warnings: the exporter says much, none of it for users."""
    import logging
    import warnings
    from contextlib import redirect_stderr, redirect_stdout

    before = logging.root.manager.disable
    with (
        open(os.devnull, "w", encoding="utf-8") as nowhere,
        redirect_stdout(nowhere),
        redirect_stderr(nowhere),
        warnings.catch_warnings(),
    ):
        warnings.simplefilter("ignore")
        logging.disable(logging.CRITICAL)
        try:
            yield
        finally:
            logging.disable(before)


def _explained(exc: Exception, module: str) -> DistilError:
    """Which operator has no ONNX form, else the first line of the innermost cause."""
    inner, causes = exc, [str(exc)]
    while isinstance(inner.__cause__, Exception):
        inner = inner.__cause__
        causes.append(str(inner))
    if found := _OPERATOR.search("\n".join(causes)):
        cure = "replace the layer that uses it, or try a newer opset or torch"
        return ExportError(f"{found[1]} has no ONNX form", where=module, cure=cure)
    if any(word in "\n".join(causes) for word in _NOT_UTF8):
        cure = "move it to a folder with a plain name"
        return InputError(
            "its code is in a folder whose name is not UTF-8", where=module, cure=cure
        )
    lines = [line.strip() for line in str(inner).splitlines() if line.strip()]
    what = f"can't be captured: {type(inner).__name__}: {lines[0] if lines else ''}"
    plain = what.encode("ascii", "backslashreplace").decode()[:300]
    cure = "the forward pass must be tensor code that torch.export can follow"
    return ExportError(plain, where=module, cure=cure)


def _forget_places(model: Any) -> None:  # Any: onnx_ir.Model, a library of torch's exporter
    """Drop the stack traces of nodes: protobuf refuses a file name that is not UTF-8."""
    for part in (model.graph, *model.functions.values()):
        for node in part.all_nodes():
            node.metadata_props.clear()


def _strip(model: ModelProto) -> None:
    """Take out what names files, places or moments: equal weights must give equal bytes."""
    from exporters.tensors import graphs

    model.ClearField("metadata_props")
    model.ClearField("doc_string")
    nodes: list[Any] = [node for function in model.functions for node in function.node]
    for graph in graphs(model):
        nodes += graph.node
        for item in (graph, *graph.input, *graph.output, *graph.value_info, *graph.initializer):
            item.ClearField("metadata_props")
            item.ClearField("doc_string")
    for item in (*nodes, *model.functions):
        item.ClearField("metadata_props")
        item.ClearField("doc_string")


def _serialized(model: ModelProto) -> bytes:
    if model.ByteSize() > _LARGEST:
        what = "larger than 2 GiB, which no ONNX file can be"
        raise ExportError(what, cure="export it in float16 or a smaller model")
    return bytes(model.SerializeToString(deterministic=True))


def _verified(temporary: Path) -> OnnxArtifact:
    from exporters.artifact import open_artifact

    try:
        return open_artifact(temporary)
    except DistilError as exc:
        what = f"the exported file is not valid: {exc.what}"
        raise ExportError(what, cure="try another opset") from exc


def _check_axes(artifact: OnnxArtifact, open_axes: Mapping[int, str]) -> None:
    for spec in artifact.inputs:
        for axis, name in open_axes.items():
            if axis and (axis >= len(spec.shape) or isinstance(spec.shape[axis], int)):
                what = f"the {name} is baked in: the input {spec.name!a} has the shape {spec.shape}"
                cure = "use sizes like x.shape[1] or -1 in reshape and view, not numbers"
                raise ExportError(what, cure=cure)
    first = artifact.outputs[0]
    axes = [spec.shape[0] if spec.shape else None for spec in (*artifact.inputs, first)]
    if any(axis != _BATCH for axis in axes):
        what = f"the batch is baked in: the output {first.name!a} has the shape {first.shape}"
        cure = "use sizes like x.shape[0] or -1 in reshape and view, not numbers"
        raise ExportError(what, cure=cure)
