"""onnxruntime.quantization writes to the root logger, and configures it, unasked."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager


class _NotQuantization(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        return "onnxruntime" not in record.pathname


@contextmanager
def quiet_quantization() -> Iterator[None]:
    """Drop what onnxruntime.quantization logs; all other records pass. Root is left as it was.

    `logging.info` on a root logger without handlers installs one for the whole process; the null
    handler keeps it from that.
    """
    root, keep_out, nothing = logging.getLogger(), _NotQuantization(), logging.NullHandler()
    root.addFilter(keep_out)
    root.addHandler(nothing)
    try:
        yield
    finally:
        root.removeHandler(nothing)
        root.removeFilter(keep_out)
