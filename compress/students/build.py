"""From a student node of the recipe to an untrained torch module."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import assert_never

import numpy as np
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
    if isinstance(node, PythonStudent):
        load_target(node.target, folder)  # what a module draws while it is imported: before seeds
    with _seeded(seed):
        match node:
            case PythonStudent():
                return _own(node, folder)
            case FactoryStudent():
                if task is None:
                    raise ValueError("a network of a family is made for a task")
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


@contextmanager
def _seeded(seed: int) -> Iterator[None]:
    """Every generator that a user's factory may draw from, which goes on afterwards as before."""
    own, numpys = random.getstate(), np.random.get_state()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        random.seed(seed)
        np.random.seed(seed % 2**32)
        try:
            yield
        finally:
            random.setstate(own)
            np.random.set_state(numpys)


def _own(node: PythonStudent, folder: Path) -> nn.Module:
    module = load_target(node.target, folder)()
    if not isinstance(module, nn.Module):
        raise InputError(
            f"`{node.target}` returned {type(module).__name__}, not a torch.nn.Module",
            where="student.target",
            cure="return the module itself from the factory",
        )
    return module
