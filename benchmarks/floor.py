"""What a call costs that computes nothing: an Identity model with the same inputs."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from statistics import median

import numpy as np

from benchmarks.feeds import Inputs
from benchmarks.pace import Pace
from benchmarks.process import WorkerProcess
from benchmarks.sources import Source
from benchmarks.staging import Subject, open_subjects, staged
from exporters.values import TensorSpec

_CALLS = 2000


def write_identity(like: Source, path: Path) -> None:
    """An ONNX file that copies each input of `like` to an output."""
    import onnx
    from onnx import helper

    def value(name: str, spec: TensorSpec) -> onnx.ValueInfoProto:
        element = helper.np_dtype_to_tensor_dtype(np.dtype(spec.dtype))
        return helper.make_tensor_value_info(name, element, spec.shape)

    graph = helper.make_graph(
        [helper.make_node("Identity", [s.name], [f"same_{i}"]) for i, s in enumerate(like.inputs)],
        "floor",
        [value(spec.name, spec) for spec in like.inputs],
        [value(f"same_{i}", spec) for i, spec in enumerate(like.inputs)],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(model, path)


def floor_ms(
    like: Subject, *, inputs: Inputs, batch: int, device: str, threads: int, pace: Pace
) -> float:
    """Milliseconds of the median call, at one batch. In a fresh process of its own."""
    path = like.model.with_name("floor.onnx")
    write_identity(like.artifact, path)
    only = open_subjects({"floor": path})
    with (
        staged(only, inputs=inputs, batches=[batch]) as (subject,),
        WorkerProcess(source=path, limit_s=pace.limit_s) as worker,
    ):
        # TensorRT may drop the only node; CUDA is what it leaves nodes to.
        where = "cuda" if device == "tensorrt" else device
        worker.request(subject.load_request([batch], device=where))
        worker.request(subject.open_request(device=where, threads=threads, batch=batch))
        worker.ask("warm_up", batch=batch, rule=asdict(pace.warm_up))
        samples = worker.ask("time", batch=batch, calls=_CALLS)["samples_ns"]
    return float(median(samples)) / 1e6
