"""The network of a teacher without its weights: what a student that inherited a part fits into."""

from __future__ import annotations

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
from compress.teachers.hugging_face import transformers_architecture
from compress.teachers.modules import module_of
from compress.teachers.scores import LogitsOf
from compress.teachers.transformers_files import settings_files
from exporters.atomic import sha256_bytes, sha256_file


def architecture(node: TeacherNode, *, folder: Path) -> nn.Module:
    """The module with weights that mean nothing, in training mode; no file of weights is read.

    Raises InputError for a teacher that has no layers of torch.
    """
    match node:
        case TorchTeacher() | PythonTeacher():
            module = module_of(load_target(node.target, folder), node.target)
            return LogitsOf(module) if node.outputs == "probabilities" else module
        case TransformersTeacher():
            return transformers_architecture(folder / node.path)
        case OnnxTeacher() | RunTeacher() | OutputsTeacher() | SeveralTeacher():
            raise InputError(
                f"a teacher of kind {node.kind} has no layers that a student could inherit",
                where="teacher.kind",
                cure="name one of kind torch, transformers or python",
            )
        case _:
            assert_never(node)


def architecture_digest(node: TeacherNode, *, folder: Path) -> str:
    """SHA-256 of what decides it, for stage keys."""
    match node:
        case TorchTeacher() | PythonTeacher():
            return target_digest(node.target, folder)
        case TransformersTeacher():
            files = settings_files(folder / node.path)
            return sha256_bytes("\n".join(sha256_file(file) for file in files).encode())
        case _:
            return node.kind
