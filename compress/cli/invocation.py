"""One call of a verb: what it says, what it returns, and how it ends."""

from __future__ import annotations

import dataclasses
import io
import logging
import math
import os
import shutil
import sys
import traceback
from collections.abc import Mapping
from enum import Enum
from pathlib import Path
from types import TracebackType
from typing import Any

import typer

from compress.cli.failures import Failure, describe
from compress.cli.progress import Drawing, choose_drawing
from compress.cli.streams import write_error, write_out
from compress.errors import InputError
from exporters.events import Event

RESULT_SCHEMA = 1
_WIDTH_WITHOUT_TERMINAL = 110
_PACKAGES = ("compress", "benchmarks", "exporters")


class Invocation:
    """Use as `with Invocation("gate", ...) as call:`. Leaving it raises typer.Exit with the code.

    result: what --json keeps; exit_code: set it where the work was done and the answer is no.
    """

    def __init__(
        self, verb: str, *, json_file: Path | None, quiet: bool, verbose: bool, debug: bool
    ) -> None:
        self.verb = verb
        self.quiet, self.verbose, self.debug = quiet, verbose, debug
        self.result: Any = None
        self.exit_code = 0
        self._json_file = json_file
        self._drawing: Drawing = choose_drawing(quiet=quiet, verbose=verbose or debug)
        self._handler = logging.StreamHandler(sys.stderr)
        self._levels: dict[str, int] = {}

    def __enter__(self) -> Invocation:
        level = logging.DEBUG if self.debug else logging.INFO if self.verbose else logging.ERROR
        self._handler.setFormatter(logging.Formatter("%(name)s: %(message)s"))
        self._handler.setLevel(level)
        logging.captureWarnings(capture=True)
        root = logging.getLogger()
        root.addHandler(self._handler)
        for name in _PACKAGES:
            logger = logging.getLogger(name)
            self._levels[name] = logger.level
            logger.setLevel(level)
        if self._json_file is not None:
            failure = _unwritable(self._json_file)
            if failure is not None:
                self._json_file = None
                self._leave(failure, None)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if isinstance(error, typer.Exit | SystemExit | GeneratorExit):
            self._close()
            return
        self._leave(None if error is None else describe(error), error)

    def say(self, text: str) -> None:
        """Part of the result, to standard output."""
        if text:
            write_out(text)

    def note(self, text: str) -> None:
        """A remark to standard error; silent with --quiet."""
        if not self.quiet:
            write_error(text)

    def show(self, renderable: Any) -> None:
        """A rich table or text, to standard output."""
        self.say(rendered(renderable))

    def on_event(self, event: Event) -> None:
        """Progress; safe to hand to any long function."""
        self._drawing(event)

    def finish_progress(self) -> None:
        """Take the bars away before the result is printed."""
        self._drawing.close()

    def _close(self) -> None:
        self._drawing.close()
        logging.captureWarnings(capture=False)
        logging.getLogger().removeHandler(self._handler)
        for name, level in self._levels.items():  # the caller may be a test or a notebook
            logging.getLogger(name).setLevel(level)

    def _leave(self, failure: Failure | None, error: BaseException | None) -> None:
        self._close()
        if failure is not None:
            if self.debug and error is not None:
                write_error("".join(traceback.format_exception(error)).rstrip())
            write_error(f"error: {failure.line}")
        code = self.exit_code if failure is None else failure.exit_code
        code = self._keep(code, failure)
        if code or failure is not None:
            raise typer.Exit(code) from None

    def _keep(self, code: int, failure: Failure | None) -> int:
        if self._json_file is None:
            return code
        written = keep_result(
            self._json_file, verb=self.verb, exit_code=code, failure=failure, result=self.result
        )
        return code if written else code or 2


def keep_result(
    path: Path, *, verb: str, exit_code: int, failure: Failure | None, result: Any
) -> bool:
    """Write the --json file atomically; False, and a line on standard error, where that fails."""
    from exporters.atomic import write_json

    document = {
        "schema": RESULT_SCHEMA,
        "verb": verb,
        "exit_code": exit_code,
        "error": None if failure is None else failure.as_json(),
        "result": plain(result),
    }
    try:
        write_json(path, document)
    except Exception as error:
        write_error(f"error: {describe(error).line}")
        return False
    return True


def plain(value: Any) -> Any:
    """A value as JSON has it. Numbers that JSON lacks (NaN, infinity) become null."""
    if isinstance(value, Enum):
        return plain(value.value)
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {
            field.name: plain(getattr(value, field.name)) for field in dataclasses.fields(value)
        }
    if isinstance(value, Mapping):
        return {str(key): plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(inner) for inner in value]
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    return str(value)


class _Page(io.StringIO):
    """Text in memory that tells rich the encoding it ends in: no box characters in plain ASCII."""

    encoding = "utf-8"

    def __init__(self, encoding: str) -> None:
        super().__init__()
        self.encoding = encoding


def rendered(renderable: Any) -> str:
    """A rich renderable as text: colours only for a terminal, its width or 110 columns."""
    from rich.console import Console

    terminal = sys.stdout.isatty()
    fallback = (_WIDTH_WITHOUT_TERMINAL, 24)
    page = _Page(getattr(sys.stdout, "encoding", None) or "utf-8")
    console = Console(
        file=page, force_terminal=terminal, width=shutil.get_terminal_size(fallback).columns
    )
    console.print(renderable)
    text = page.getvalue()
    if terminal:
        return text
    return "\n".join(line.rstrip() for line in text.splitlines())  # tables are padded


def check_writable(path: Path, option: str) -> None:
    """InputError where a result can't be written, found before any work is done."""
    parent = path.absolute().parent
    where = f"{option} {path}"
    if path.is_dir():
        raise InputError("is a folder", where=where, cure="name a file")
    if not parent.is_dir():
        raise InputError("its folder does not exist", where=where, cure=f"make {parent} first")
    if not os.access(parent, os.W_OK):
        raise InputError("its folder can't be written", where=where, cure="choose another folder")


def _unwritable(path: Path) -> Failure | None:
    try:
        check_writable(path, "--json")
    except InputError as error:
        return describe(error)
    return None
