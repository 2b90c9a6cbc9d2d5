"""Float or int8: which of two files is shipped. Pure: numbers in, a decision in words out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from benchmarks.values import Comparison
from compress.quantize.words import speed_words
from compress.values import Decision

_QUESTION = "quantize"
_SLACK = 1e-9  # accuracies are counts over samples; their difference is exact but for rounding


def choose_quantization(
    *,
    kind: Literal["auto", "static", "dynamic", "row", "weight-only", "float16", "bfloat16"],
    float32_accuracy: float,
    int8_accuracy: float,
    samples: int,
    max_drop: float,
    comparison: Comparison | None,
    elsewhere: Sequence[Comparison] = (),
    score: str = "accuracy",
    stored: str = "int8",
) -> Decision:
    """`stored` when its accuracy holds and, under `auto`, when it is also faster; else `float32`.

    Accuracies in [0, 1] over the same validation samples; max_drop is a fraction. comparison has
    the float file as reference and the int8 file as candidate; None: speed was not measured,
    which under `auto` never ships int8. score: what the accuracies are, in words; stored: what
    the file that is no float32 holds. elsewhere: at other settings that are served, which decide
    nothing; where one of them is slower the reason says so.
    """
    drop = float32_accuracy - int8_accuracy
    holds = drop <= max_drop + _SLACK
    faster = comparison is not None and comparison.verdict == "faster"
    chosen = stored if holds and (faster or kind != "auto") else "float32"
    accuracy = _accuracy_words(drop, score, samples=samples, max_drop=max_drop, holds=holds)
    speed = speed_words(comparison)
    if chosen == stored and faster:
        reason = f"{stored} {speed}, and {accuracy}"
    elif chosen == stored:
        reason = f"`{kind}` was asked for and {accuracy}; {stored} {speed}"
    elif holds:
        reason = f"float32 is kept: {stored} {speed}, though {accuracy}"
    else:
        reason = f"float32 is kept: {accuracy}; {stored} {speed}"
    if chosen == stored:
        slower = [f"it {speed_words(one)}" for one in elsewhere if one.verdict == "slower"]
        reason = "; but ".join([reason, *slower])
    evidence: dict[str, Any] = {
        "kind": kind,
        "float32_accuracy": float32_accuracy,
        f"{stored}_accuracy": int8_accuracy,
        "samples": samples,
        "max_drop": max_drop,
        "speedup": comparison and comparison.speedup,
        "speedup_low": comparison and comparison.speedup_low,
        "speedup_high": comparison and comparison.speedup_high,
        "verdict": comparison and comparison.verdict,
        "batch": comparison and comparison.setting.batch,
        "threads": comparison and comparison.setting.threads,
        "elsewhere": [
            {
                "batch": one.setting.batch,
                "threads": one.setting.threads,
                "speedup": one.speedup,
                "speedup_low": one.speedup_low,
                "speedup_high": one.speedup_high,
                "verdict": one.verdict,
            }
            for one in elsewhere
        ],
    }
    return Decision(question=_QUESTION, chosen=chosen, reason=reason, evidence=evidence)


def _accuracy_words(drop: float, score: str, *, samples: int, max_drop: float, holds: bool) -> str:
    limit = f"the limit is {100 * max_drop:.2f} pp"
    if abs(drop) < _SLACK:
        change = f"its {score} is the same"
    else:
        change = f"it {'loses' if drop > 0 else 'gains'} {100 * abs(drop):.2f} pp of {score}"
    tail = limit if holds else f"more than allowed: {limit}"
    return f"{change} on {samples:,} validation samples ({tail})"
