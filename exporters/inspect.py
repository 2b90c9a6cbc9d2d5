"""What an ONNX file is made of, and what grew between two of them. No torch, nothing is run."""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from exporters.artifact import open_artifact, read_proto
from exporters.macs import count_macs
from exporters.tensors import Held, dtype_name, expected_bytes, graphs, stored_tensors
from exporters.values import TensorSpec

if TYPE_CHECKING:
    from onnx import ModelProto

_STRING = 8  # TensorProto.STRING


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredTensor:
    """A tensor in the file or in its external data. name: "" for a constant of a node."""

    name: str
    shape: tuple[int, ...]
    dtype: str
    size_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Inspection:
    """One ONNX file. Counters and tensors are sorted, largest first."""

    path: Path
    digest: str
    size_bytes: int  # with external data
    external_bytes: int
    opset: int
    ir_version: int
    producer: str
    precision: str
    parameters: int
    macs: int | None  # of one sample; None where shapes are unknown
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    operators: dict[str, int]  # type -> nodes, subgraphs included
    tensor_bytes: dict[str, int]  # element type -> bytes
    overhead_bytes: int  # what is no tensor: nodes, names, notes
    tensors: tuple[StoredTensor, ...]

    def largest(self, count: int = 10) -> tuple[StoredTensor, ...]:
        """The tensors that take most bytes."""
        return self.tensors[:count]


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One thing in two files; 0 where it is absent."""

    name: str
    before: int
    after: int

    @property
    def difference(self) -> int:
        return self.after - self.before


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelChanges:
    """What differs from the first file to the second; equal things are left out.

    Each tuple is sorted by growth, what grew most first. tensors: bytes by name.
    """

    size_bytes: Change
    parameters: Change
    overhead_bytes: Change
    macs: Change | None  # None where one of the two is unknown
    precision: tuple[str, str]
    opset: Change
    operators: tuple[Change, ...]
    tensor_bytes: tuple[Change, ...]
    tensors: tuple[Change, ...]

    @property
    def is_empty(self) -> bool:
        """Whether the files hold the same by every count here (their bytes may still differ)."""
        numbers = (self.size_bytes, self.parameters, self.overhead_bytes, self.opset, self.macs)
        same = all(change is None or not change.difference for change in numbers)
        lists = (self.operators, self.tensor_bytes, self.tensors)
        return same and not any(lists) and self.precision[0] == self.precision[1]


def inspect_model(path: str | os.PathLike[str]) -> Inspection:
    """Open a file as open_artifact does, and take stock of it. Raises as open_artifact does."""
    artifact = open_artifact(path)
    model = read_proto(artifact.path)
    file_bytes = artifact.path.stat().st_size
    tensors = sorted(
        (_stored(held) for held in stored_tensors(model)),
        key=lambda tensor: (-tensor.size_bytes, tensor.name),
    )
    by_type: Counter[str] = Counter()
    for tensor in tensors:
        by_type[tensor.dtype] += tensor.size_bytes
    external_bytes = artifact.size_bytes - file_bytes
    return Inspection(
        path=artifact.path,
        digest=artifact.digest,
        size_bytes=artifact.size_bytes,
        external_bytes=external_bytes,
        opset=artifact.opset,
        ir_version=artifact.ir_version,
        producer=f"{model.producer_name} {model.producer_version}".strip(),
        precision=artifact.precision,
        parameters=artifact.parameters,
        macs=count_macs(model),
        inputs=artifact.inputs,
        outputs=artifact.outputs,
        operators=_sorted(_operators(model)),
        tensor_bytes=_sorted(by_type),
        overhead_bytes=max(0, artifact.size_bytes - by_type.total()),
        tensors=tuple(tensors),
    )


def compare_models(before: Inspection, after: Inspection) -> ModelChanges:
    """What grew, shrank, came and went. Tensors are matched by name, nameless ones are summed."""
    macs = None
    if before.macs is not None and after.macs is not None:
        macs = Change(name="macs", before=before.macs, after=after.macs)
    return ModelChanges(
        size_bytes=Change(name="size", before=before.size_bytes, after=after.size_bytes),
        parameters=Change(name="parameters", before=before.parameters, after=after.parameters),
        overhead_bytes=Change(
            name="overhead", before=before.overhead_bytes, after=after.overhead_bytes
        ),
        macs=macs,
        precision=(before.precision, after.precision),
        opset=Change(name="opset", before=before.opset, after=after.opset),
        operators=_changes(before.operators, after.operators),
        tensor_bytes=_changes(before.tensor_bytes, after.tensor_bytes),
        tensors=_changes(_by_name(before), _by_name(after)),
    )


def _stored(held: Held) -> StoredTensor:
    tensor = held.tensor
    if tensor.data_type == _STRING:
        size = sum(len(text) for text in tensor.string_data)
    else:
        size = expected_bytes(held)
    return StoredTensor(
        name=tensor.name,
        shape=tuple(tensor.dims),
        dtype=dtype_name(tensor.data_type),
        size_bytes=size,
    )


def _operators(model: ModelProto) -> Counter[str]:
    counts: Counter[str] = Counter()
    for graph in graphs(model):
        for node in graph.node:
            domain = "" if node.domain in {"", "ai.onnx"} else f"{node.domain}."
            counts[f"{domain}{node.op_type}"] += 1
    return counts


def _sorted(counts: Counter[str]) -> dict[str, int]:
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))


def _by_name(inspection: Inspection) -> dict[str, int]:
    sizes: Counter[str] = Counter()
    for tensor in inspection.tensors:
        sizes[tensor.name] += tensor.size_bytes
    return dict(sizes)


def _changes(before: dict[str, int], after: dict[str, int]) -> tuple[Change, ...]:
    names = sorted(before.keys() | after.keys())
    found = [Change(name=n, before=before.get(n, 0), after=after.get(n, 0)) for n in names]
    differing = [change for change in found if change.difference]
    return tuple(sorted(differing, key=lambda change: (-change.difference, change.name)))
