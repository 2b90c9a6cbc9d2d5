"""The numbers behind a decision in plain words: {"int8_ms": 0.19} -> ("int8", "0.19 ms")."""

from __future__ import annotations

from typing import Any

from compress.report import quantities as q

_MOST = 12  # longer lists are raw data, not something to read


def evidence_words(evidence: dict[str, Any]) -> tuple[tuple[str, str], ...]:
    """Pairs of what and how much, in the order of the evidence; nested keys are joined."""
    pairs: list[tuple[str, str]] = []
    for key, value in evidence.items():
        if isinstance(value, dict):
            pairs += [(f"{_plain_key(key)}, {k}", v) for k, v in evidence_words(value)]
        else:
            pairs.append(_pair(key, value))
    return tuple(pairs)


def _pair(key: str, value: Any) -> tuple[str, str]:
    for suffix, words in _UNITS.items():
        if (key.endswith(f"_{suffix}") or key == suffix) and _numeric(value):
            name = key.removesuffix(suffix).strip("_") if suffix in _DROPPED else key
            return _plain_key(name or key), _written(value, words)
    return _plain_key(key), _written(value, _number)


def _numeric(value: Any) -> bool:
    items = value if isinstance(value, (list, tuple)) else [value]
    return bool(items) and all(type(i) in (int, float) for i in items)


def _written(value: Any, words: Any) -> str:
    if isinstance(value, (list, tuple)):
        if len(value) == 2 and _numeric(value):
            return f"{words(value[0])} to {words(value[1])}"
        shown = ", ".join(_written(item, words) for item in value[:_MOST])
        return shown + (f" and {len(value) - _MOST} more" if len(value) > _MOST else "")
    if value is None:
        return "unknown"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(words(value)) if type(value) in (int, float) else str(value)


def _number(value: float) -> str:
    return q.count(value) if isinstance(value, int) else f"{value:.4g}"


def _plain_key(key: str) -> str:
    return key.replace("_", " ").strip()


_UNITS: dict[str, Any] = {
    "accuracy": q.percent,
    "agreement": q.percent,
    "accuracy_drop": lambda v: q.points(-v),
    "speedup": q.times,
    "speedup_interval": q.times,
    "speedup_low": q.times,
    "speedup_high": q.times,
    "max_drop": lambda v: f"{v * 100:.2f} pp",
    "ratio": q.times,
    "per_s": q.per_second,
    "ms": q.milliseconds,
    "bytes": q.size,
    "seconds": q.seconds,
    "s": lambda v: q.milliseconds(v * 1000),
}
_DROPPED = frozenset({"ms", "bytes", "seconds", "per_s", "s"})
