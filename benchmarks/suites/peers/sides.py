"""The files that are compared: what each quantizer makes of one float file and the same images."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.evidence.library import library_dynamic, library_static
from benchmarks.suites.peers import nncf_child
from benchmarks.suites.peers.fitting import INPUT, Prepared
from compress.quantize.api import quantize
from compress.quantize.chain import is_transformer
from compress.quantize.fidelity import Metric
from exporters.errors import DistilError

OURS, FLOAT = "ours", "float"
STATIC, DYNAMIC, NNCF = "onnxruntime static", "onnxruntime dynamic", "nncf"
PEERS = (STATIC, DYNAMIC, NNCF)
CALIBRATED = 512  # images that a peer calibrates with, as many as ours at most
_BATCH = 8
_CHILD_S = 900.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Sides:
    """files: by side, ours first; the float file stands for ours where `auto` keeps that. failed:
    side -> why it made no file. facts: what ours chose."""

    files: Mapping[str, Path]
    failed: Mapping[str, str]
    facts: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Allowed:
    """What ours may lose, of which metric; max_drop: a fraction."""

    metric: Metric
    max_drop: float


def make_sides(
    prepared: Prepared, *, folder: Path, packages: Path, allowed: Allowed, seed: int = 0
) -> Sides:
    """packages: the folder that NNCF is installed in."""
    source = prepared.source.path
    calibration = _Calibration(prepared)
    made = quantize(
        source,
        path=folder / "ours.onnx",
        data=lambda: prepared.given.batches(_BATCH, labels=True),
        metric=allowed.metric,
        max_drop=allowed.max_drop,
        seed=seed,
    )
    files = {OURS: source if made.artifact is None else folder / "ours.onnx", FLOAT: source}
    facts = {
        "chosen": made.scheme,
        "reason": made.reason,
        "ships_float": made.artifact is None,
        "tried": [[one.name, one.time_ms, one.float_ms, one.outcome] for one in made.tried],
        "batch_changes": made.batch_changes,
        "kept_float": len(made.kept_float),
    }
    makers: dict[str, Callable[[Path], object]] = {
        STATIC: lambda path: library_static(source, path, calibration),
        DYNAMIC: lambda path: library_dynamic(source, path),
        NNCF: lambda path: _nncf(prepared, path, folder=folder, packages=packages),
    }
    failed: dict[str, str] = {}
    for name, make in makers.items():
        path = folder / f"{name.replace(' ', '-')}.onnx"
        try:
            make(path)
        except Exception as exc:  # whatever a peer raises is its row's reason, not our end
            failed[name] = f"{type(exc).__name__}: {str(exc).splitlines()[-1] if str(exc) else ''}"
        else:
            files[name] = path
    return Sides(files=files, failed=failed, facts=facts)


@dataclass(frozen=True, slots=True)
class _Calibration:
    prepared: Prepared

    def __call__(self) -> Any:
        left = CALIBRATED
        for feeds in self.prepared.given.batches(_BATCH):
            if left <= 0:
                return
            yield feeds
            left -= _BATCH


def child(script: Path, spec: Mapping[str, Any], *, folder: Path, packages: Path) -> str:
    """What a script prints that runs with packages on its path. DistilError with its last words."""
    place = folder / f"{script.stem}.json"
    place.write_text(json.dumps(spec))
    done = subprocess.run(
        [sys.executable, "-P", "-W", "ignore", str(script), str(place)],
        env={**os.environ, "PYTHONPATH": str(packages)},
        capture_output=True,
        text=True,
        timeout=_CHILD_S,
        check=False,
    )
    if done.returncode:
        said = (done.stderr.strip() or "nothing").splitlines()[-1]
        raise DistilError(f"{script.stem} ended with {done.returncode}: {said}")
    return done.stdout


def _nncf(prepared: Prepared, path: Path, *, folder: Path, packages: Path) -> None:
    import onnx

    arrays: dict[str, Any] = {INPUT: prepared.given.framed(0, CALIBRATED)}
    samples = folder / "calibration.npz"
    np.savez(samples, **arrays)
    spec = {
        "source": str(prepared.source.path),
        "samples": str(samples),
        "target": str(path),
        "transformer": is_transformer(onnx.load(prepared.source.path)),
    }
    child(Path(nncf_child.__file__), spec, folder=folder, packages=packages)
