"""The error tree: every message says what is wrong, where, and what to do.

DistilError            4  a stage, the runtime, the machine or the tool failed on valid input
├── InputError         2  something the user named is missing, malformed, refused or unsafe
│   └── RefusedModel   2  a model file that is not what it should be, or not safe to open
├── ExportError        4  a module has no ONNX form, or the file differs from the module
├── RuntimeMissing     4  a provider, device or optional library that is not there
├── MachineFailed      4  memory or disk ran out, or a process was killed; the work can be resumed
└── Interrupted      130  stopped by a signal; the work can be resumed
"""

from __future__ import annotations

from typing import ClassVar


class DistilError(Exception):
    """One line: what, where (file and line, or key path), and what to do."""

    exit_code: ClassVar[int] = 4

    def __init__(self, what: str, *, where: str = "", cure: str = "") -> None:
        self.what, self.where, self.cure = what, where, cure
        head = f"{where}: {what}" if where else what
        super().__init__(" ".join(f"{head}; {cure}".split()) if cure else " ".join(head.split()))


class InputError(DistilError):
    """Something that the user named is missing, malformed, refused or unsafe."""

    exit_code = 2


class RefusedModel(InputError):
    """A model file that is empty, truncated, something else, or unsafe to open."""


class ExportError(DistilError):
    """A module has no ONNX form, or the exported file does not compute what the module does."""


class RuntimeMissing(DistilError):
    """A provider, device or optional library that is not on this machine."""


class MachineFailed(DistilError):
    """Memory or disk ran out, or a process was killed: the same work may do on another day."""


class Interrupted(DistilError):
    """Stopped by a signal; running the same command again resumes."""

    exit_code = 130

    def __init__(self, what: str, *, signal_number: int, where: str = "", cure: str = "") -> None:
        super().__init__(what, where=where, cure=cure)
        self.signal_number = signal_number
