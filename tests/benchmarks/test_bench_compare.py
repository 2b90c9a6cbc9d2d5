"""compare(): it looks when planned, and stops when it has its answer."""

from __future__ import annotations

import math
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

import benchmarks.compare  # noqa: F401  (the module must not hide the function)
from benchmarks import compare
from benchmarks.compare import quick_compare
from benchmarks.epochs import Epoch
from benchmarks.pace import Pace
from exporters.errors import InputError

ROOT = Path(__file__).resolve().parents[2]
MODULE = sys.modules["benchmarks.compare"]
ROWS = np.ones((1, 4), np.float32)


def pretend(monkeypatch: pytest.MonkeyPatch, *, ratio: float, spread: float) -> list[int]:
    """Epochs of made-up times instead of processes; returns a list that counts them."""
    rng, seen = np.random.default_rng(0), [0]

    def epoch(*_: object, **__: object) -> Epoch:
        seen[0] += 1
        candidate = int(1e6 * ratio * math.exp(rng.normal(0, spread)))
        blocks = {(0, 1): ((10**6,),) * 2, (1, 1): ((candidate,),) * 2}
        return Epoch(blocks=blocks, cold={0: (1, 1), 1: (1, 1)})

    monkeypatch.setattr(MODULE, "run_epoch", epoch)
    monkeypatch.setattr(MODULE, "probe", lambda *_, **__: (None, 1))
    return seen


@pytest.fixture
def pair(make_model: Callable[..., Path]) -> tuple[Path, Path]:
    return make_model("one", seed=1), make_model("two", seed=2)


def test_a_clear_difference_ends_at_the_first_look(
    monkeypatch: pytest.MonkeyPatch, pair: tuple[Path, Path]
) -> None:
    seen = pretend(monkeypatch, ratio=0.5, spread=0.02)
    found = compare(*pair, inputs=ROWS, seed=0)
    assert (found.verdict, seen[0]) == ("faster", 10)
    assert found.speedup == pytest.approx(2, rel=0.03)
    assert found.speedup_low < found.speedup < found.speedup_high
    assert (found.reference, found.candidate) == ("one.onnx", "two.onnx")


def test_noise_without_end_is_inconclusive_at_the_last_epoch(
    monkeypatch: pytest.MonkeyPatch, pair: tuple[Path, Path]
) -> None:
    seen = pretend(monkeypatch, ratio=1.0, spread=0.5)
    found = compare(*pair, inputs=ROWS, seed=0, most_epochs=24)
    assert (found.verdict, seen[0]) == ("inconclusive", 24)
    assert found.smallest_detectable is not None
    assert found.smallest_detectable > 0.2


def test_time_is_bounded(monkeypatch: pytest.MonkeyPatch, pair: tuple[Path, Path]) -> None:
    seen = pretend(monkeypatch, ratio=1.0, spread=0.5)
    ticks = iter(range(0, 10_000, 100))
    monkeypatch.setattr(MODULE, "time", SimpleNamespace(monotonic=lambda: float(next(ticks))))
    assert compare(*pair, inputs=ROWS, seed=0, limit_s=300).verdict == "inconclusive"
    assert seen[0] == 3
    assert len(compare(*pair, inputs=ROWS, seed=0, limit_s=1).log_ratios) == 1  # and never none


def test_a_limit_ends_when_it_is_met_or_violated(
    monkeypatch: pytest.MonkeyPatch, pair: tuple[Path, Path]
) -> None:
    seen = pretend(monkeypatch, ratio=1 / 20, spread=0.02)
    found = compare(*pair, inputs=ROWS, seed=0, limit=1 / 8)
    assert (found.verdict, found.limit_verdict, seen[0]) == ("faster", "met", 10)
    pretend(monkeypatch, ratio=1.05, spread=0.005)
    assert compare(*pair, inputs=ROWS, seed=0, limit=1.02).limit_verdict == "violated"
    seen = pretend(monkeypatch, ratio=1.02, spread=0.01)
    found = compare(*pair, inputs=ROWS, seed=0, limit=1.02, most_epochs=24)
    assert (found.limit_verdict, seen[0]) == ("inconclusive", 24)  # as it should be at the limit
    seen = pretend(monkeypatch, ratio=1 / 20, spread=0.02)
    compare(*pair, inputs=ROWS, seed=0, limit=1 / 8, tests=4)
    assert seen[0] == 12  # four limits share the level: the first look is later


def test_resolve_ends_where_the_wanted_change_would_have_been_seen(
    monkeypatch: pytest.MonkeyPatch, pair: tuple[Path, Path]
) -> None:
    pretend(monkeypatch, ratio=1.0, spread=0.02)
    found = compare(*pair, inputs=ROWS, seed=0, resolve=True, change=0.03)
    assert found.verdict == "no-slower"
    assert found.smallest_detectable is not None
    assert found.smallest_detectable <= 0.03
    pretend(monkeypatch, ratio=1.0, spread=0.02)
    finer = compare(*pair, inputs=ROWS, seed=0, resolve=True, change=0.015, most_epochs=32)
    assert len(finer.log_ratios) > len(found.log_ratios)
    with pytest.raises(InputError, match="has no name"):
        compare(*pair, inputs=ROWS, seed=0, resolve=True, change=0.01)


def test_resolve_goes_on_until_faster_has_a_name(
    monkeypatch: pytest.MonkeyPatch, pair: tuple[Path, Path]
) -> None:
    seen = pretend(monkeypatch, ratio=0.985, spread=0.02)
    assert compare(*pair, inputs=ROWS, seed=0).verdict == "no-slower"
    early = seen[0]
    pretend(monkeypatch, ratio=0.985, spread=0.02)
    found = compare(*pair, inputs=ROWS, seed=0, resolve=True)
    assert found.verdict == "faster"
    assert len(found.log_ratios) > early


def test_the_same_bytes_are_identical_and_not_timed(
    monkeypatch: pytest.MonkeyPatch, make_model: Callable[..., Path]
) -> None:
    seen = pretend(monkeypatch, ratio=1.0, spread=0.1)
    one, same = make_model("same", seed=3), make_model("same", seed=3)
    found = compare(one, same, inputs=ROWS, seed=0)
    assert (found.verdict, found.speedup, seen[0]) == ("identical", 1.0, 0)
    assert (found.reference, found.candidate) == (str(one), str(same))
    limits = [compare(one, same, inputs=ROWS, seed=0, limit=x).limit_verdict for x in (1.02, 0.5)]
    assert limits == ["met", "violated"]
    assert compare(one, same, inputs=ROWS, seed=0, aa=True, most_epochs=1).log_ratios != ()


def test_quick_compare_runs_real_processes(pair: tuple[Path, Path], hurried: Pace) -> None:
    found = quick_compare(
        *pair, inputs=ROWS, batch=1, threads=1, seed=0, most_epochs=1, pace=hurried
    )
    assert len(found.log_ratios) == 1
    assert math.isfinite(found.log_ratios[0])


def test_statistics_load_numpy_alone() -> None:
    script = (
        "import sys, benchmarks.stats, benchmarks.settings, benchmarks.values, benchmarks.quiet\n"
        "print(*sorted({name.split('.')[0] for name in sys.modules}))"
    )
    run = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=ROOT
    )
    loaded = set(run.stdout.split())
    assert "numpy" in loaded
    assert not loaded & {"onnxruntime", "onnx", "torch", "scipy", "pydantic", "compress"}
