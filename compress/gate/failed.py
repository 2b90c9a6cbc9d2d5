"""A gate that could not be judged, in every output format: one line that says why. Pure."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable, Mapping
from types import MappingProxyType

from compress.gate.escape import github_data, github_property, markdown, printable, xml
from compress.gate.formats import FORMAT_VERSION


def _text(path: str, line: str, code: int) -> str:
    return f"distil gate - {printable(path)}: nothing was judged\n  error: {printable(line)}\n"


def _json(path: str, line: str, code: int) -> str:
    document = {
        "schema": FORMAT_VERSION,
        "gate": path,
        "exit_code": code,
        "error": line,
        "command": f"distil gate {shlex.quote(path)}",
        "verdicts": [],
    }
    return json.dumps(document, indent=2) + "\n"


def _junit(path: str, line: str, code: int) -> str:
    name = xml(f"distil.gate.{path}")
    counts = 'tests="1" failures="0" errors="1" skipped="0"'
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f"<testsuites {counts}>\n"
        f'  <testsuite name="{name}" {counts}>\n'
        f'    <testcase name="gate" classname="{name}">\n'
        f'      <error message="{xml(line)}" type="exit code {code}"/>\n'
        "    </testcase>\n  </testsuite>\n</testsuites>\n"
    )


def _markdown(path: str, line: str, code: int) -> str:
    from compress.gate.formats import marker

    shown = line if len(line) <= 2000 else f"{line[:1997]}..."
    return (
        f"{marker(path)}\n### distil gate: {markdown(path)}\n\nNothing was judged "
        f"(exit code {code}): {markdown(shown)}\n"
    )


def _github(path: str, line: str, code: int) -> str:
    return f"::error file={github_property(path)},line=1,title=distil gate::{github_data(line)}\n"


Failed = Callable[[str, str, int], str]
# name of the format -> (gate file, one line, exit code) -> text
FAILED: Mapping[str, Failed] = MappingProxyType(
    {"text": _text, "json": _json, "junit": _junit, "markdown": _markdown, "github": _github}
)
