"""All files of a report, each whole or not at all."""

from __future__ import annotations

import logging
from pathlib import Path

from compress.report.html import render_html
from compress.report.junit import render_junit
from compress.report.markdown import render_markdown
from compress.report.serialise import REPORT_FILE, SAMPLES_PATTERN, encode_report
from compress.values import Report
from exporters.atomic import write_bytes

_log = logging.getLogger(__name__)


def report_files(report: Report) -> dict[str, bytes]:
    """report.json with its samples file, report.md, report.html and junit.xml, by name.

    report.json comes last: it names the samples file, which is to be there by then. Raises
    DistilError for a number that is NaN or infinite.
    """
    encoded = encode_report(report)
    texts = {}
    if encoded.samples is not None and encoded.samples_name is not None:
        texts[encoded.samples_name] = encoded.samples
    texts |= {
        "report.md": render_markdown(report),
        "report.html": render_html([report]),
        "junit.xml": render_junit(report),
        REPORT_FILE: encoded.report,
    }
    return {name: text.encode("utf-8") for name, text in texts.items()}


def write_report(report: Report, folder: Path) -> tuple[Path, ...]:
    """All files of the report in `folder`, the older samples file removed; returns their paths.

    Everything is rendered before the first byte is written. Raises DistilError for a number that is
    NaN or infinite, InputError when the folder can't be written.
    """
    files = report_files(report)
    for name, data in files.items():
        write_bytes(folder / name, data)
    for stale in folder.glob(SAMPLES_PATTERN):
        if stale.name not in files:
            stale.unlink(missing_ok=True)
            _log.debug("removed %s of an earlier report", stale)
    return tuple(folder / name for name in files)
