"""The candidates of a search, as the report tells of them."""

from __future__ import annotations

from typing import Any

import numpy as np

from compress.pipeline.outlook import Outlook
from compress.search.screening import Screening, excess
from compress.search.solve import Found
from compress.search.trainer import Trainer
from compress.trials import Trial


def trials_of(
    screening: Screening, trainer: Trainer, found: Found, seen: Outlook
) -> tuple[Trial, ...]:
    """Every candidate that was timed, the chosen one first."""
    rows = []
    for plan, screened in screening.seen.items():
        if screened.failed:
            continue  # it is among those that were not made
        pilot = trainer.pilots.get(plan)
        trained: dict[str, Any] = {}
        if plan == found.plan:
            trained = {
                "accuracy": seen.accuracy,
                "epochs": found.epochs,
                "trained_s": found.epochs * found.epoch_s,
            }
        elif pilot is not None and np.isfinite(pilot.accuracy):
            trained = {
                "accuracy": pilot.accuracy,
                "epochs": pilot.epochs,
                "trained_s": pilot.seconds,
            }
        rows.append(
            Trial(
                name=plan.name,
                scheme=plan.scheme,
                parameters=screened.parameters,
                macs=screened.macs,
                size_bytes=screened.size_bytes,
                p50_ms=screened.p50_ms,
                speedup=screened.speedup,
                fits=excess(screened, screening.limits) <= 1,
                failed=trainer.failed.get(plan, ""),
                seconds=screened.seconds + (pilot.seconds if pilot else 0.0),
                **trained,
            )
        )
    rows.sort(key=lambda row: row.name != found.plan.name)
    return tuple(rows)
