"""From a teacher node of the recipe to something that answers a batch, in eval mode for ever."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, assert_never

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from compress.errors import InputError
from compress.recipe.nodes import OnnxTeacher, PythonTeacher, TeacherNode, TorchTeacher
from compress.recipe.targets import load_target, target_digest
from exporters.atomic import sha256_bytes, sha256_file
from exporters.weights import load_into, load_weights

Answer = Callable[[Tensor], NDArray[np.float32]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Teacher:
    """answer: (batch, ...) float32 inputs -> (batch, classes) logits, per sample and pure.

    Either `module` or `onnx_path` says where it came from.
    """

    name: str
    digest: str
    answer: Answer
    module: nn.Module | None
    onnx_path: Path | None


def teacher_digest(node: TeacherNode, *, folder: Path) -> str:
    """SHA-256 of what decides the teacher's answers, without loading it."""
    match node:
        case TorchTeacher():
            weights = sha256_file(_existing(folder / node.weights, "teacher.weights"))
            code = target_digest(node.target, folder)
            return sha256_bytes(f"torch {code} {weights}".encode())
        case PythonTeacher():
            return sha256_bytes(f"python {target_digest(node.target, folder)}".encode())
        case OnnxTeacher():
            from exporters.artifact import open_artifact

            return open_artifact(_existing(folder / node.path, "teacher.path")).digest
        case _:
            assert_never(node)


def check_named(node: TeacherNode, *, folder: Path) -> None:
    """Find the target and the file that the node names. Raises InputError; computes nothing."""
    if not isinstance(node, OnnxTeacher):
        load_target(node.target, folder)
    if isinstance(node, TorchTeacher):
        _existing(folder / node.weights, "teacher.weights")
    if isinstance(node, OnnxTeacher):
        _existing(folder / node.path, "teacher.path")


def build_teacher(node: TeacherNode, *, folder: Path, threads: int) -> Teacher:
    """Load a teacher. Raises InputError when a file or target is missing or does not fit."""
    digest = teacher_digest(node, folder=folder)
    match node:
        case TorchTeacher():
            path = folder / node.weights
            module = _module(node.target, folder)
            load_into(module, load_weights(path), where=str(path))
            return _from_module(node.target, digest, module)
        case PythonTeacher():
            return _from_module(node.target, digest, _module(node.target, folder))
        case OnnxTeacher():
            return onnx_teacher(folder / node.path, digest=digest, threads=threads)
        case _:
            assert_never(node)


def _existing(path: Path, where: str) -> Path:
    if not path.is_file():
        cure = "check the path; without `teacher` a recipe trains on labels"
        raise InputError(f"there is no file {path}", where=where, cure=cure)
    return path


def _module(target: str, folder: Path) -> nn.Module:
    module: Any = load_target(target, folder)()
    if not isinstance(module, nn.Module):
        raise InputError(
            f"`{target}` returned {type(module).__name__}, not a torch.nn.Module",
            where="teacher.target",
            cure="return the module itself from the factory",
        )
    return module


def _from_module(name: str, digest: str, module: nn.Module) -> Teacher:
    module.eval().requires_grad_(requires_grad=False)

    def answer(inputs: Tensor) -> NDArray[np.float32]:
        # eval() again: whoever holds the module may have put it in training mode since.
        module.eval()
        with torch.no_grad():
            scores: NDArray[np.float32] = module(inputs).float().numpy()
        return scores

    return Teacher(name=name, digest=digest, answer=answer, module=module, onnx_path=None)


def onnx_teacher(path: Path, *, digest: str, threads: int) -> Teacher:
    """A teacher that answers from its ONNX file, through onnxruntime on `threads` threads."""
    from exporters.session import open_session

    session = open_session(path, threads=threads)
    inputs = session.get_inputs()
    if len(inputs) != 1:
        names = ", ".join(i.name for i in inputs)
        raise InputError(
            f"{path} has {len(inputs)} inputs ({names})",
            where="teacher.path",
            cure="a teacher of this task takes one input; export it with one",
        )

    def answer(batch: Tensor) -> NDArray[np.float32]:
        feed = np.ascontiguousarray(batch.numpy())
        scores: NDArray[np.float32] = session.run(None, {inputs[0].name: feed})[0]
        return scores.astype(np.float32, copy=False)

    return Teacher(name=path.name, digest=digest, answer=answer, module=None, onnx_path=path)
