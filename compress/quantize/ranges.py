"""The least and the largest value of each tensor over a stream of samples, in bounded memory."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnxruntime.quantization import CalibrationDataReader, CalibrationMethod, TensorsData
from onnxruntime.quantization.calibrate import MinMaxCalibrater

from compress.errors import DistilError, InputError
from compress.quantize.operators import QUANTIZED_OPERATORS
from exporters.session import open_session, runtime_error
from exporters.values import TensorSpec


class _OneBatch(CalibrationDataReader):  # type: ignore[misc]  # onnxruntime has no types
    """Gives the calibrater a single batch, so that it keeps none of the earlier ones."""

    def __init__(self, feeds: dict[str, NDArray[np.float32]]) -> None:
        self._feeds: Iterator[dict[str, NDArray[np.float32]]] = iter((feeds,))

    def get_next(self) -> dict[str, NDArray[np.float32]] | None:
        return next(self._feeds, None)


class _Calibrater(MinMaxCalibrater):  # type: ignore[misc]  # onnxruntime has no types
    """onnxruntime's, on a session like every other of this program: one thread, no spinning."""

    def create_inference_session(self) -> None:
        self.infer_session = open_session(Path(self.augmented_model_path))


def observe_ranges(
    model: Path,
    batches: Iterable[NDArray[np.float32]],
    *,
    spec: TensorSpec,
    scratch: Path,
    on_batch: Callable[[int], None],
) -> TensorsData:
    """Ranges of every tensor around the quantized operators. on_batch gets the samples so far.

    Raises InputError when there is no sample, or one that doesn't fit `spec` or isn't finite;
    DistilError when a tensor of the network isn't finite.
    """
    calibrater = _Calibrater(
        model,
        QUANTIZED_OPERATORS,
        augmented_model_path=str(scratch / "observed.onnx"),
    )
    calibrater.augment_graph()
    calibrater.create_inference_session()
    low: dict[str, NDArray[np.float32]] = {}
    high: dict[str, NDArray[np.float32]] = {}
    samples = 0
    for batch in batches:
        checked = _checked(batch, spec, samples)
        if not len(checked):
            continue
        for name, (least, most) in _ranges_of(calibrater, {spec.name: checked}, samples).items():
            low[name] = np.minimum(low.get(name, least), least)
            high[name] = np.maximum(high.get(name, most), most)
        samples += len(checked)
        on_batch(samples)
    if not samples:
        raise InputError("no samples to calibrate on", cure="give at least one batch")
    return TensorsData(CalibrationMethod.MinMax, {name: (low[name], high[name]) for name in low})


def _ranges_of(
    calibrater: _Calibrater, feeds: dict[str, NDArray[np.float32]], samples: int
) -> dict[str, tuple[NDArray[np.float32], NDArray[np.float32]]]:
    """Of one batch. Not merged by the library, which drops a NaN that isn't in the first batch."""
    where = f"calibration batch after {samples} samples"
    calibrater.calibrate_tensors_range = None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # "All-NaN axis": refused below
            calibrater.collect_data(_OneBatch(feeds))
    except Exception as exc:  # onnxruntime's exceptions have no common base class
        raise runtime_error(exc, where=where) from exc
    found = {name: data.range_value for name, data in calibrater.calibrate_tensors_range.items()}
    for name in sorted(found):
        if not np.isfinite(np.stack(found[name])).all():
            raise DistilError(
                f"the tensor `{name}` of the network is NaN or infinite",
                where=where,
                cure="check the weights, or ship the float file (`quantize: {kind: none}`)",
            )
    return found


def _checked(batch: Any, spec: TensorSpec, seen: int) -> NDArray[np.float32]:
    where = f"calibration batch after {seen} samples"
    if not isinstance(batch, np.ndarray) or batch.dtype != np.float32:
        found = batch.dtype if isinstance(batch, np.ndarray) else type(batch).__name__
        raise InputError(f"is {found}, not a float32 array", where=where, cure="convert it")
    fits = len(batch.shape) == len(spec.shape) and all(
        not isinstance(want, int) or want == have
        for want, have in zip(spec.shape, batch.shape, strict=True)
    )
    if not fits:
        what = f"has shape {batch.shape}, the input `{spec.name}` takes {spec.shape}"
        raise InputError(what, where=where, cure="prepare samples as for inference")
    if not np.isfinite(batch).all():
        raise InputError("holds NaN or infinity", where=where, cure="clean the samples")
    return batch
