"""From a student node of the recipe to an untrained torch module."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path
from typing import assert_never

import torch
from torch import nn

from compress.errors import InputError
from compress.recipe.inherited_nodes import InheritedStudent, PrunedStudent, TruncatedStudent
from compress.recipe.student_nodes import AutoStudent, BuiltStudent, FactoryStudent, PythonStudent
from compress.recipe.targets import load_target, target_digest
from compress.students.factories import make as factories
from compress.students.inherited import build_inherited
from compress.tasks.data import Task
from compress.teachers.architecture import architecture_digest


def build_student(
    node: BuiltStudent, *, folder: Path, seed: int, task: Task | None = None
) -> nn.Module:
    """The module with its initial weights, which depend on `seed` alone.

    task: what a network of a family is made for; a user's own needs none. Raises InputError when
    the target is missing or gives something else than a module, and where a family does not fit.
    """
    with torch.random.fork_rng(devices=[]):
        match node:
            case PythonStudent():
                return _own(node, folder, seed)
            case FactoryStudent():
                if task is None:
                    raise ValueError("a network of a family is made for a task")
                torch.manual_seed(seed)
                return factories.make(node, task)
            case InheritedStudent():
                return build_inherited(node, folder=folder)
            case AutoStudent():
                raise ValueError("a search has to find it first")
            case PrunedStudent() | TruncatedStudent():
                raise ValueError("its teacher has to be pruned first")
            case _ as never:
                assert_never(never)


def student_code(node: BuiltStudent, *, folder: Path) -> str:
    """SHA-256 of the code that makes it, for stage keys."""
    match node:
        case PythonStudent():
            return target_digest(node.target, folder)
        case FactoryStudent():
            return sha256(f"families {factories.VERSION}".encode()).hexdigest()
        case InheritedStudent():
            return architecture_digest(node.teacher, folder=folder)
        case AutoStudent():
            raise ValueError("a search has to find it first")
        case PrunedStudent() | TruncatedStudent():
            raise ValueError("its teacher has to be pruned first")
        case _ as never:
            assert_never(never)


def _own(node: PythonStudent, folder: Path, seed: int) -> nn.Module:
    factory = load_target(node.target, folder)
    torch.manual_seed(seed)
    module = factory()
    if not isinstance(module, nn.Module):
        raise InputError(
            f"`{node.target}` returned {type(module).__name__}, not a torch.nn.Module",
            where="student.target",
            cure="return the module itself from the factory",
        )
    return module
