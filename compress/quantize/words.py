"""What a timed comparison with the float file says, in words."""

from __future__ import annotations

from benchmarks.values import Comparison


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
