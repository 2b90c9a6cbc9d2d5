"""Making the present student the baseline: its numbers, its file and its answers, side by side."""

from __future__ import annotations

import dataclasses
import os
import subprocess
from pathlib import Path

from compress.errors import InputError
from compress.gate.baseline import (
    BASELINE_SCHEMA,
    Baseline,
    BaselineChange,
    StoredCell,
    answering_machine,
    machine_of,
)
from compress.gate.lookup import BASELINE, STUDENT, measurement_of, quality_of
from compress.report.baseline_file import read_baseline, write_baseline
from compress.values import ModelFacts, Report
from exporters.atomic import atomic_path, sha256_file, write_bytes
from exporters.errors import DistilError

_HISTORY = 50


def update_baseline(
    store: Path,
    *,
    copy: Path,
    model: Path,
    facts: ModelFacts,
    report: Report | None,
    predictions: Path | None,
    reason: str,
    updated_at: str,
) -> Baseline:
    """Write a copy of the model, then its answers, then the store, each atomically.

    predictions: an npz file with `ids`, `labels` and `student`. Raises InputError for a model with
    external data: a baseline is one file.
    """
    if facts.digest != facts.file_sha256:
        cure = "export it into one file"
        raise InputError("has external data; a baseline is one file", where=str(model), cure=cure)
    for folder in (store.parent, copy.parent):
        folder.mkdir(parents=True, exist_ok=True)
    if not copy.is_file() or sha256_file(copy) != facts.file_sha256:
        write_bytes(copy, model.read_bytes())
    answers = store.with_suffix(".npz")
    kept = predictions is not None and _keep_answers(predictions, answers)
    change = BaselineChange(updated_at=updated_at, reason=reason, model_sha256=facts.file_sha256)
    measurement = None if report is None else measurement_of(report, STUDENT)
    baseline = Baseline(
        schema=BASELINE_SCHEMA,
        updated_at=updated_at,
        reason=reason,
        commit=_commit(store.parent),
        model=os.path.relpath(copy, store.parent),
        facts=dataclasses.replace(facts, subject=BASELINE),
        machine=None if report is None else machine_of(report),
        data_fingerprint="" if report is None else report.data_fingerprint,
        quality=None if report is None else quality_of(report, STUDENT),
        cells=tuple(
            StoredCell(
                setting=cell.setting,
                p50_ms=cell.latency.p50_ms,
                peak_bytes=cell.memory.peak_bytes,
                peak_delta_bytes=cell.memory.peak_delta_bytes,
            )
            for cell in (measurement.cells if measurement is not None else ())
        ),
        predictions=answers.name if kept else "",
        predictions_sha256=sha256_file(answers) if kept else "",
        history=(change, *_history(store))[:_HISTORY],
        answered_on=None if report is None else answering_machine(report),
    )
    write_baseline(store, baseline)
    return baseline


def _history(store: Path) -> tuple[BaselineChange, ...]:
    """Of the store that is replaced; one that can't be read has none."""
    try:
        return read_baseline(store.read_text(encoding="utf-8"), where=str(store)).history
    except (OSError, ValueError, DistilError):
        return ()


def _keep_answers(source: Path, target: Path) -> bool:
    """Classes of the student under the name of the baseline; False where the file holds none."""
    import numpy as np

    try:
        with np.load(source, allow_pickle=False) as loaded:
            found = {name: loaded[name] for name in loaded.files}
    except (OSError, ValueError, EOFError):
        return False
    if not {"ids", "labels", STUDENT} <= found.keys() or found[STUDENT].ndim != 1:
        return False
    with atomic_path(target) as temporary, temporary.open("wb") as stream:
        np.savez_compressed(
            stream, ids=found["ids"], labels=found["labels"], baseline=found[STUDENT]
        )
    return True


def _commit(folder: Path) -> str:
    try:
        done = subprocess.run(
            ["git", "rev-parse", "HEAD"],
            cwd=folder,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=30,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.decode("ascii", "replace").strip() if done.returncode == 0 else ""
