"""What went wrong, as an exit code and one line. No traceback is made here."""

from __future__ import annotations

import errno
import os
import signal
from dataclasses import dataclass

from compress.cli.signals import received
from compress.cli.streams import printable
from compress.errors import DistilError, Interrupted

_NO_SPACE = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_NAMED = frozenset(
    {
        errno.ENOENT,
        errno.EACCES,
        errno.EPERM,
        errno.EROFS,
        errno.EISDIR,
        errno.ENOTDIR,
        errno.ENAMETOOLONG,
        errno.ELOOP,
        errno.EEXIST,
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """kind: the class of the error, for --json."""

    exit_code: int
    kind: str
    what: str
    where: str = ""
    cure: str = ""

    @property
    def line(self) -> str:
        head = f"{self.where}: {self.what}" if self.where else self.what
        return printable(f"{head}; {self.cure}" if self.cure else head)

    def as_json(self) -> dict[str, str]:
        return {"kind": self.kind, "what": self.what, "where": self.where, "cure": self.cure}


def describe(error: BaseException) -> Failure:
    """The exit code of product documentation and the line for an exception."""
    kind = type(error).__name__
    match error:
        case Interrupted():
            code = 128 + (received[0] if received else error.signal_number)
            return _of(error, code)
        case DistilError():
            return _of(error, error.exit_code)
        case KeyboardInterrupt():
            number = received[0] if received else int(signal.SIGINT)
            return Failure(
                exit_code=128 + number,
                kind="Interrupted",
                what=f"stopped by {signal.Signals(number).name}",
                cure="run the same command again",
            )
        case MemoryError():
            return Failure(
                exit_code=4, kind=kind, what="out of memory", cure="use a smaller batch or model"
            )
        case OSError() if error.errno in _NO_SPACE:
            return Failure(
                exit_code=4,
                kind=kind,
                what="the disk is full",
                where=str(error.filename or ""),
                cure="free some space, or `distil cache prune`, and run again",
            )
        case OSError() if error.errno in _NAMED and error.filename is not None:
            return Failure(
                exit_code=2,
                kind=kind,
                what=os.strerror(error.errno or 0).lower(),
                where=os.fsdecode(error.filename),
                cure="check the path and its permissions",
            )
        case _:
            said = f"{kind}: {error}" if str(error) else kind
            return Failure(
                exit_code=4,
                kind=kind,
                what=f"internal error: {said}",
                cure="run again with --debug and report the traceback",
            )


def _of(error: DistilError, code: int) -> Failure:
    return Failure(
        exit_code=code,
        kind=type(error).__name__,
        what=error.what,
        where=error.where,
        cure=error.cure,
    )
