"""What a quantized file answers at each batch size that is served.

A range that comes with the batch is that of all its samples, padding included: then an answer
depends on its batch mates, and accuracy is another one at each size.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from compress.metrics.fidelity import spread_rows
from compress.pipeline.context import Context
from compress.pipeline.decisions import DECISION_FILE, read_decision
from compress.pipeline.stage import Finished
from compress.pipeline.stages.predicting import scores, some, validation_score

COMPARED = 256  # validation samples that are also answered alone
_LARGE = 32  # shows whether answers move at all where only single samples are served
_SAME = 1e-3  # relative change of an answer below which batch mates did not matter


def served_facts(
    path: Path, context: Context, *, known: float, embeddings: Path | None
) -> dict[str, Any]:
    """For each batch size of `bench`: share of answers that moved from those alone, by more than
    0.1 % of their length; share of other classes; the score on all of validation. known: that score
    in large batches, not computed again where answers don't move."""
    task, threads = context.task, context.threads
    samples = some(task.validation, spread_rows(len(task.validation), COMPARED))
    sizes = tuple(dict.fromkeys(context.recipe.bench.batch))
    given = {
        size: scores(path, task, samples, threads=threads, batch=size)
        for size in {1, *sizes, _LARGE}
    }
    alone = given[1]
    lengths = np.maximum(np.linalg.norm(alone, axis=1), 1e-12)
    moved = {
        size: float((np.linalg.norm(answered - alone, axis=1) > _SAME * lengths).mean())
        for size, answered in given.items()
    }
    found = []
    for size in sizes:
        score, changed = known, None
        if any(moved.values()):
            score = validation_score(path, task, threads=threads, embeddings=embeddings, batch=size)
        if task.outputs == "classes":
            changed = float((given[size].argmax(axis=1) != alone.argmax(axis=1)).mean())
        found.append({"batch": size, "moved": moved[size], "changed": changed, "score": score})
    return {"served": found, "compared": len(samples)}


def least_score(facts: Mapping[str, Any]) -> float:
    """The lowest score over the batch sizes that are served: what a choice is made by."""
    return float(min(one["score"] for one in facts["served"]))


def served_notes(
    finished: Mapping[str, Finished], *, quantize: str, facts_file: str, choice: str
) -> tuple[str, ...]:
    """How often answers of the quantized file that is shipped depend on their batch."""
    if quantize not in finished or choice not in finished:
        return ()
    if read_decision(finished[choice].files[DECISION_FILE]).chosen == "float32":
        return ()
    facts = finished[quantize].json(facts_file)
    sizes = ", ".join(str(one["batch"]) for one in facts["served"])
    moving = [one for one in facts["served"] if one["moved"]]
    if not moving:
        return (
            f"Answers of the quantized file do not depend on their batch: at batch {sizes} they "
            f"are those that a sample gets alone, on {facts['compared']:,} validation samples.",
        )
    return tuple(
        f"At batch {one['batch']}, {100 * one['moved']:.1f} % of the quantized file's answers are "
        f"not those that a sample gets alone"
        + ("" if one["changed"] is None else f", {100 * one['changed']:.1f} % are another class")
        + f" ({facts['compared']:,} validation samples). Its score there is {one['score']:.4f}."
        for one in moving
    )
