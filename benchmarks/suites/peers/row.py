"""One network: every side made, tested, and timed in one interleaved run; what its row says."""

from __future__ import annotations

import json
import os
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks import BenchSettings, measure
from benchmarks.environment import read_environment
from benchmarks.pace import STANDARD, Pace
from benchmarks.quiet import exclusive_timing
from benchmarks.suites.peers import openvino_child
from benchmarks.suites.peers.fitting import INPUT, Images, Prepared, prepare
from benchmarks.suites.peers.networks import Entry
from benchmarks.suites.peers.sides import FLOAT, NNCF, OURS, Allowed, Sides, child, make_sides
from compress.quantize.fidelity import answers, cosines
from exporters.errors import DistilError

_BATCH = 50
# What ours may lose on the images given; without trained weights there is no accuracy to lose.
ALLOWED: Mapping[str, Allowed] = {
    "shipped": Allowed(metric="accuracy", max_drop=0.003),
    "trained": Allowed(metric="accuracy", max_drop=0.003),
    "listed": Allowed(metric="cosine", max_drop=0.01),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """packages: where NNCF and OpenVINO are installed. data: a folder with Fashion-MNIST; what is
    fetched is kept beside them. epochs: fresh processes per file. tiny: numbers say nothing."""

    packages: Path
    data: Path | None = None
    epochs: int = 12
    most_epochs: int = 24
    limit_s: float = 240.0
    tiny: bool = False
    pace: Pace = STANDARD


def row_of(name: str, entry: Entry, options: Options) -> dict[str, Any]:
    """The line of a network; with `error` in place of numbers where one of the steps fails."""
    begun = time.monotonic()
    machine = read_environment()
    row: dict[str, Any] = {
        "network": name,
        "kind": entry.kind,
        "depthwise": entry.depthwise,
        "tiny": options.tiny,
        "cpu_model": machine.cpu_model,
        "cpu_flags": machine.cpu_flags,
        "allowed_cpus": machine.allowed_cpus,
        "load": [round(os.getloadavg()[0], 2)],
    }
    if options.tiny:
        entry = replace(
            entry, given=min(entry.given, 96), tested=min(entry.tested, 100),
            fitted=min(entry.fitted, 256), settings={**entry.settings, "epochs": 1},
        )  # fmt: skip
    try:
        row |= _compared(entry, options)
    except DistilError as exc:
        row["error"] = str(exc)
    except Exception as exc:  # a network that nobody has tried before must not end the others
        row["error"] = f"{type(exc).__name__}: {exc}"
    row["load"].append(round(os.getloadavg()[0], 2))
    return {**row, "seconds": round(time.monotonic() - begun, 1)}


def _compared(entry: Entry, options: Options) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix="distil-peers-") as place:
        folder = Path(place)
        prepared = prepare(entry, folder=folder, data=options.data, cache=options.packages)
        allowed = ALLOWED[entry.kind]
        sides = make_sides(prepared, folder=folder, packages=options.packages, allowed=allowed)
        return {
            "given": entry.given,
            "tested": entry.tested,
            "budget": [allowed.metric, allowed.max_drop],
            "ours": dict(sides.facts),
            "failed": dict(sides.failed),
            "sides": _kept(sides, prepared.tested, has_accuracy=entry.kind != "listed"),
            "speed": _speed(sides, prepared, options),
            "openvino": _in_openvino(sides, prepared, folder, options),
            "versions": _versions(options.packages),
        }


def _kept(sides: Sides, tested: Images, *, has_accuracy: bool) -> dict[str, dict[str, Any]]:
    """Of each side: its value (share of right answers, or the mean cosine of its logits to those of
    float), and how far ours is above it, with the standard error of that, paired over images."""
    found: dict[Path, NDArray[np.float64]] = {}
    for path in dict.fromkeys(sides.files.values()):
        found[path] = np.nan_to_num(answers(path, tested.batches(_BATCH)))
    exact = found[sides.files[FLOAT]]
    near = {path: cosines(exact, answered) for path, answered in found.items()}
    values = near
    if has_accuracy:
        values = {
            path: (answered.argmax(axis=1) == tested.labels).astype(np.float64)
            for path, answered in found.items()
        }
    kept = {}
    for side, path in sides.files.items():
        above = values[sides.files[OURS]] - values[path]
        kept[side] = {
            "value": float(values[path].mean()),
            "ours_above": [float(above.mean()), float(above.std() / len(above) ** 0.5)],
            "cosine": float(near[path].mean()),
            "cosine_p1": float(np.percentile(near[path], 1)),
            "bytes": path.stat().st_size,
        }
    return kept


def _speed(sides: Sides, prepared: Prepared, options: Options) -> dict[str, dict[str, Any]]:
    """Time of ours over that of each other side, batch 1, one thread; median ms of all."""
    measured = measure(
        sides.files,
        inputs=prepared.tested.framed(0, 1),
        settings=BenchSettings(
            batch=(1,),
            epochs=options.epochs,
            most_epochs=options.most_epochs,
            limit_s=options.limit_s,
        ),
        seed=0,
        pace=options.pace,
    )
    found: dict[str, dict[str, Any]] = {
        one.subject: {"p50_ms": one.cells[0].latency.p50_ms} for one in measured.measurements
    }
    for one in measured.comparisons:  # ours is the first, so a speed-up over it is our own ratio
        found[one.candidate] |= {
            "ratio": one.speedup,
            "low": one.speedup_low,
            "high": one.speedup_high,
            "verdict": one.verdict,
            "epochs": len(one.log_ratios),
        }
    return found


def _in_openvino(
    sides: Sides, prepared: Prepared, folder: Path, options: Options
) -> dict[str, Any]:
    """For information alone: what fails here fails no row."""
    samples = folder / "one.npz"
    arrays: dict[str, Any] = {INPUT: prepared.tested.framed(0, 1)}
    np.savez(samples, **arrays)
    files = {side: str(sides.files[side]) for side in (OURS, FLOAT, NNCF) if side in sides.files}
    try:
        with exclusive_timing(lambda: None):
            said = child(
                Path(openvino_child.__file__),
                {"files": files, "samples": str(samples)},
                folder=folder,
                packages=options.packages,
            )
    except (DistilError, OSError) as exc:
        return {"error": str(exc)}
    found: dict[str, Any] = json.loads(said.splitlines()[-1])
    return found


def _versions(packages: Path) -> dict[str, str]:
    from importlib.metadata import distributions, version

    found = {name: version(name) for name in ("onnxruntime", "onnx", "torch", "transformers")}
    for one in distributions(path=[str(packages)]):
        if one.name in {"nncf", "openvino"}:
            found[one.name] = one.version
    return found
