"""onnxruntime's own quantizer, with the settings that suit this processor best.

Unsigned activations and signed weights per channel: its own defaults are signed, and slower. 7-bit
weights where sums of 8-bit ones saturate.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from benchmarks.environment import read_environment
from compress.quantize.scheme import scheme_for
from compress.quantize.silence import quiet_quantization

Feeds = Mapping[str, NDArray[Any]]


def library_static(
    source: Path,
    path: Path,
    batches: Callable[[], Iterable[Feeds]],
    *,
    per_channel: bool = True,
) -> Path:
    """QDQ by MinMax. batches: anew at each call, by input name."""
    from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType
    from onnxruntime.quantization import quantize_static as library

    class Reader(CalibrationDataReader):  # type: ignore[misc]  # onnxruntime has no types
        def __init__(self) -> None:
            self.left = iter(batches())

        def get_next(self) -> Feeds | None:
            return next(self.left, None)

    with quiet_quantization():
        library(
            str(source),
            str(path),
            Reader(),
            quant_format=QuantFormat.QDQ,
            per_channel=per_channel,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            reduce_range=_saturates(),
        )
    return path


def library_dynamic(source: Path, path: Path) -> Path:
    """All operators of its own list; ranges of activations as they come."""
    from onnxruntime.quantization import QuantType
    from onnxruntime.quantization import quantize_dynamic as library

    with quiet_quantization():
        library(
            str(source),
            str(path),
            per_channel=True,
            weight_type=QuantType.QInt8,
            reduce_range=_saturates(),
        )
    return path


def _saturates() -> bool:
    return scheme_for(read_environment().cpu_flags).weight_bits == 7
