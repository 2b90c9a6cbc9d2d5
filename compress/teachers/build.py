"""From a teacher node of the recipe to something that answers a batch, in eval mode for ever."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import assert_never

from torch import nn

from compress.errors import InputError
from compress.recipe.nodes import (
    OnnxTeacher,
    OutputsTeacher,
    PythonTeacher,
    RunTeacher,
    SeveralTeacher,
    TeacherNode,
    TorchTeacher,
    TransformersTeacher,
)
from compress.recipe.targets import load_target, target_digest
from compress.teachers.earlier_run import run_teacher, shipped
from compress.teachers.functions import function_teacher, takes_a_batch
from compress.teachers.given import outputs_teacher
from compress.teachers.hugging_face import transformers_teacher
from compress.teachers.modules import module_of, module_teacher
from compress.teachers.onnx_file import onnx_teacher
from compress.teachers.several import several_teachers
from compress.teachers.teacher import Answer, Teacher
from compress.teachers.transformers_files import folder_digest
from exporters.artifact import open_artifact
from exporters.atomic import sha256_bytes, sha256_file
from exporters.weights import load_into, load_weights

__all__ = [
    "Answer",
    "Teacher",
    "build_teacher",
    "check_named",
    "is_black_box",
    "onnx_teacher",
    "teacher_digest",
    "weights_of",
]


def teacher_digest(node: TeacherNode, *, folder: Path) -> str:
    """SHA-256 of what decides the teacher's answers, without loading it."""
    match node:
        case TorchTeacher():
            weights = sha256_file(_existing(folder / node.weights, "teacher.weights"))
            code = target_digest(node.target, folder)
            return sha256_bytes(f"torch {code} {weights}{_given_as(node)}".encode())
        case PythonTeacher():
            code = target_digest(node.target, folder)
            return sha256_bytes(f"python {code}{_given_as(node)}".encode())
        case OnnxTeacher():
            digest = open_artifact(_existing(folder / node.path, "teacher.path")).digest
            chosen = "" if node.output is None else f" output {node.output}"
            how = _given_as(node) + chosen + ("" if node.layout == "auto" else f" {node.layout}")
            return sha256_bytes(f"onnx {digest}{how}".encode()) if how else digest
        case TransformersTeacher():
            return folder_digest(folder / node.path)
        case RunTeacher():
            manifest, _ = shipped(folder / node.path)
            return manifest.files[manifest.facts.model].sha256
        case SeveralTeacher():
            parts = " ".join(teacher_digest(one, folder=folder) for one in node.of)
            return sha256_bytes(f"several {parts} {weights_of(node)}".encode())
        case OutputsTeacher():
            path = _existing(folder / node.path, "teacher.path")
            return sha256_bytes(f"outputs {sha256_file(path)}".encode())
        case _:
            assert_never(node)


def check_named(node: TeacherNode, *, folder: Path) -> None:
    """Find the target and the file that the node names. Raises InputError; computes nothing."""
    match node:
        case TorchTeacher():
            load_target(node.target, folder)
            _existing(folder / node.weights, "teacher.weights")
        case PythonTeacher():
            load_target(node.target, folder)
        case TransformersTeacher() | RunTeacher():
            teacher_digest(node, folder=folder)
        case OnnxTeacher() | OutputsTeacher():
            _existing(folder / node.path, "teacher.path")
        case SeveralTeacher():
            for one in node.of:
                check_named(one, folder=folder)
        case _:
            assert_never(node)


def is_black_box(node: TeacherNode, *, folder: Path) -> bool:
    """Whether there is no model file to measure and quantize: stored outputs, or a function that
    answers batches."""
    if isinstance(node, SeveralTeacher):
        return any(is_black_box(one, folder=folder) for one in node.of)
    if isinstance(node, PythonTeacher):
        return takes_a_batch(load_target(node.target, folder))
    return isinstance(node, OutputsTeacher)


def build_teacher(
    node: TeacherNode,
    *,
    folder: Path,
    threads: int,
    classes: int | None = None,
    device: str = "cpu",
    input_names: Sequence[str] = (),
) -> Teacher:
    """Load a teacher. classes: the task's count, which stored outputs are read against, None for
    embeddings; device: of ONNX files; input_names: the task's names, in its order.

    Raises InputError when a file or target is missing or does not fit.
    """
    digest = teacher_digest(node, folder=folder)
    match node:
        case TorchTeacher():
            path = folder / node.weights
            module = _module(node.target, folder)
            load_into(module, load_weights(path), where=str(path))
            return module_teacher(
                module,
                name=node.target,
                digest=digest,
                folder=folder,
                probabilities=node.outputs == "probabilities",
            )
        case PythonTeacher():
            probabilities = node.outputs == "probabilities"
            function = load_target(node.target, folder)
            if takes_a_batch(function):
                return function_teacher(
                    function, name=node.target, digest=digest, probabilities=probabilities
                )
            return module_teacher(
                _module(node.target, folder),
                name=node.target,
                digest=digest,
                folder=folder,
                probabilities=probabilities,
            )
        case OnnxTeacher():
            return onnx_teacher(
                folder / node.path,
                digest=digest,
                threads=threads,
                device=device,
                input_names=input_names,
                layout=node.layout,
                output=node.output,
                probabilities=node.outputs == "probabilities",
            )
        case TransformersTeacher():
            return transformers_teacher(folder / node.path, digest=digest)
        case RunTeacher():
            return run_teacher(
                folder / node.path,
                digest=digest,
                threads=threads,
                device=device,
                input_names=input_names,
            )
        case SeveralTeacher():
            members = [
                build_teacher(
                    one,
                    folder=folder,
                    threads=threads,
                    classes=classes,
                    device=device,
                    input_names=input_names,
                )
                for one in node.of
            ]
            return several_teachers(members, weights_of(node), digest=digest)
        case OutputsTeacher():
            return outputs_teacher(folder / node.path, digest=digest, classes=classes)
        case _:
            assert_never(node)


def weights_of(node: SeveralTeacher) -> tuple[float, ...]:
    """One for each of its teachers."""
    return node.weights or (1.0,) * len(node.of)


def _given_as(node: TorchTeacher | OnnxTeacher | PythonTeacher) -> str:
    return "" if node.outputs == "logits" else f" {node.outputs}"


def _existing(path: Path, where: str) -> Path:
    if not path.is_file():
        cure = "check the path; without `teacher` a recipe trains on labels"
        raise InputError(f"there is no file {path}", where=where, cure=cure)
    return path


def _module(target: str, folder: Path) -> nn.Module:
    return module_of(load_target(target, folder), target)
