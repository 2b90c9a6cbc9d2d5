"""An ONNX file of any framework as a teacher: a black box that onnxruntime runs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from compress.teachers.binding import Binding, Layout, bind
from compress.teachers.scores import logits_of
from compress.teachers.teacher import Teacher
from exporters.artifact import open_artifact
from exporters.session import open_session, runtime_error


def onnx_teacher(
    path: Path,
    *,
    digest: str,
    threads: int,
    device: str = "cpu",
    input_names: Sequence[str] = (),
    layout: Layout = "auto",
    output: str | None = None,
    probabilities: bool = False,
) -> Teacher:
    """A teacher that answers from its ONNX file, on `threads` threads or a CUDA device.

    The file is fitted to the first batch: its input names, layout and types (compress.teachers.
    binding), and its probabilities become logits. input_names: those of the task, in its order, by
    which a file with several is fed, whatever order it has them in. Raises InputError and as
    open_artifact does.
    """
    artifact = open_artifact(path)
    session = open_session(path, threads=threads, device=device)
    names = tuple(spec.name for spec in artifact.inputs)
    bound: dict[tuple[tuple[int, ...], ...], Binding] = {}

    def answer(*inputs: Tensor) -> NDArray[np.float32]:
        batch = [tensor.cpu().numpy() for tensor in inputs]
        shapes = tuple(array.shape[1:] for array in batch)
        if shapes not in bound:
            known = next((n for n in (input_names, names) if len(n) == len(batch)), None)
            task_names = tuple(map(str, range(len(batch)))) if known is None else tuple(known)
            bound[shapes] = bind(
                artifact,
                dict(zip(task_names, shapes, strict=True)),
                dtypes={
                    name: str(array.dtype) for name, array in zip(task_names, batch, strict=True)
                },
                layout=layout,
                output=output,
            )
        binding = bound[shapes]
        try:
            scores: NDArray[np.floating] = session.run([binding.output], binding.feeds(batch))[0]
        except Exception as error:  # onnxruntime's exceptions have no common base class
            raise runtime_error(error, where=str(path), device=device) from error
        return logits_of(scores) if probabilities else scores.astype(np.float32, copy=False)

    return Teacher(name=path.name, digest=digest, answer=answer, module=None, onnx_path=path)
