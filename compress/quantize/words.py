"""What a quantized file is called, and what a timed comparison with the float file says."""

from __future__ import annotations

from benchmarks.values import Comparison
from compress.recipe.nodes import QatQuantize, SchemeQuantize, StaticQuantize


def stored_as(node: StaticQuantize | SchemeQuantize | QatQuantize) -> str:
    """How its weights are stored: "int8", "int4", "float16" or "bfloat16"."""
    if not isinstance(node, SchemeQuantize):
        return "int8"
    if node.kind == "float16" or node.kind == "bfloat16":
        return node.kind
    return "int4" if node.kind == "weight-only" and node.bits == 4 else "int8"


def speed_words(comparison: Comparison | None) -> str:
    """As in "int8 is faster: 2.1x"."""
    if comparison is None:
        return "was not timed"
    setting = comparison.setting
    place = f"at batch {setting.batch}, {setting.threads} thread{'s'[: setting.threads > 1]}"
    if comparison.verdict == "identical":
        return "is the same file"
    numbers = (
        f"{comparison.speedup:.2f}x (95 % interval {comparison.speedup_low:.2f} to "
        f"{comparison.speedup_high:.2f}x) {place}"
    )
    words = {
        "faster": "is faster:",
        "slower": "is slower:",
        "no-slower": "is not proven faster:",
        "inconclusive": "is not proven faster (inconclusive):",
    }
    return f"{words[comparison.verdict]} {numbers}"
