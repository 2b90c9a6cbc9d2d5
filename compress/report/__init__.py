"""Report <-> JSON, and as HTML, Markdown, JUnit XML and terminal table. Nothing here imports torch.

Lazy: reading a report must not pay for writing one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from compress.report.html import render_html
    from compress.report.junit import render_junit
    from compress.report.markdown import render_markdown
    from compress.report.serialise import NewerSchema, load_report
    from compress.report.terminal import summary_table
    from compress.report.write import write_report

__all__ = [
    "NewerSchema",
    "load_report",
    "render_html",
    "render_junit",
    "render_markdown",
    "summary_table",
    "write_report",
]

_HOMES = {
    "NewerSchema": "serialise",
    "load_report": "serialise",
    "render_html": "html",
    "render_junit": "junit",
    "render_markdown": "markdown",
    "summary_table": "terminal",
    "write_report": "write",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
