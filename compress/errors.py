"""The errors of `compress`, on top of those of `exporters` (whose tree says the exit codes).

InputError             2
└── RecipeError        2  a recipe or gate file: the place is `file:line:column`
DistilError            4
├── BaselineMissing    5  no baseline, an unreadable one, or evidence of a newer schema
└── TrainingDiverged   4  a loss that is no longer a number
"""

from __future__ import annotations

from exporters.errors import (
    DistilError,
    ExportError,
    InputError,
    Interrupted,
    MachineFailed,
    RefusedModel,
    RuntimeMissing,
)

__all__ = [
    "BaselineMissing",
    "DistilError",
    "ExportError",
    "InputError",
    "Interrupted",
    "MachineFailed",
    "RecipeError",
    "RefusedModel",
    "RuntimeMissing",
    "TrainingDiverged",
]


class RecipeError(InputError):
    """A recipe or gate file that can't be read as one; `where` is `file:line:column`."""


class BaselineMissing(DistilError):
    """There is no baseline, it can't be read, or it was written by a newer version."""

    exit_code = 5


class TrainingDiverged(DistilError):
    """The loss is not finite; the last finite checkpoint is kept, and nothing is exported."""
