"""Standard output and error that can't break a run: closed, full, a gone reader, any encoding."""

from __future__ import annotations

import errno
import io
import os
import sys
from contextlib import suppress

from compress.errors import DistilError

# What terminals act on: C0, DEL and C1 controls. A file name may hold them; a message must not.
_CONTROLS = {code: f"\\x{code:02x}" for code in (*range(0x20), *range(0x7F, 0xA0))}
# Directional overrides, which reorder what a reader sees, and line separators.
_CONTROLS |= {
    code: f"\\u{code:04x}"
    for code in (*range(0x202A, 0x202F), *range(0x2066, 0x206A), 0x2028, 0x2029)
}


def printable(text: str) -> str:
    """One line without control characters. Line breaks become spaces."""
    return " ".join(text.split()).translate(_CONTROLS)


def prepare() -> None:
    """Make the three standard streams usable, whatever they were started with."""
    # A closed descriptor would be given to the next file opened, and prints would land in it.
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            opened = os.open(os.devnull, os.O_RDWR)
            if opened != number:
                os.dup2(opened, number)
                os.close(opened)
    if sys.stdout is None:
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115 - lives as long as the process
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w")  # noqa: SIM115
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # not where a test or notebook put its own
            stream.reconfigure(errors="backslashreplace")


def write_out(text: str) -> None:
    """Print a block to standard output. A reader that went away (EPIPE) ends output, not work."""
    try:
        sys.stdout.write(text if text.endswith("\n") else f"{text}\n")
        sys.stdout.flush()
    except BrokenPipeError:
        _silence()
    except OSError as error:
        _silence()
        raise DistilError(
            f"can't write to standard output: {os.strerror(error.errno or errno.EIO)}",
            cure="--json FILE keeps the result in a file",
        ) from error


def write_error(text: str) -> None:
    """Print a block to standard error; there is nowhere to say that this failed."""
    with suppress(OSError, ValueError):
        sys.stderr.write(f"{text}\n")
        sys.stderr.flush()


def _silence() -> None:
    """Send what is still buffered, and all that follows, nowhere."""
    with suppress(OSError, ValueError, AttributeError):
        sink = os.open(os.devnull, os.O_WRONLY)
        os.dup2(sink, sys.stdout.fileno())
        os.close(sink)
