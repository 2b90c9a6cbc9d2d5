"""The replay's statistics on epochs whose rates are known."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from noise_profiles import epochs_of_twins

from benchmarks.evidence.networks import Kind
from benchmarks.evidence.replay import Recorded, binomial_bound, log_ratio, rate, recorded
from benchmarks.evidence.summary import summarise
from benchmarks.stats import compare_rows, compare_test, limit_rows

SEQUENCES = 250


def pair(
    values: list[float], *, name: str = "twin-0", kind: Kind = "twin", series: str = "s0",
    marked: int = 0,
) -> Recorded:  # fmt: skip
    flags = tuple(place < marked for place in range(len(values)))
    return Recorded(
        pair=name, kind=kind, condition="idle", series=series,
        log_ratios=tuple(values), marked=flags,
    )  # fmt: skip


def twins(count: int, *, spread: float, biased: int = 0, seed: int = 0) -> list[Recorded]:
    """Twins of 20 epochs; the first `biased` are 3 % slower than they should be."""
    rng = np.random.default_rng(seed)
    return [
        pair(
            list(rng.normal(0.03 if place < biased else 0, spread, 20)),
            name=f"twin-{place}",
            series=f"s{place // 4}",
        )
        for place in range(count)
    ]


def test_rates_on_typical_noise_are_those_of_the_rule() -> None:
    """1,500 sequences gave: +0 %: none different, 14.2 epochs; +1 %: 13.2 % slower; +1.5 %: 82.8 %;
    +2 %: 99.5 %, 19.8 epochs. 250 here, so that +1.5 % may lie 3 standard errors (7.2) away."""
    found = epochs_of_twins(48, SEQUENCES, seed=11)

    def words(change: float) -> tuple[list[str], float]:
        said, used = compare_rows(found + math.log1p(change), seed=1)
        return list(said), float(np.mean(used))

    said, epochs = words(0.0)
    assert said.count("slower") + said.count("faster") <= 2
    assert said.count("no-slower") >= 0.97 * SEQUENCES
    assert epochs == pytest.approx(14.2, abs=1.5)
    said, _ = words(0.01)
    assert said.count("slower") / SEQUENCES == pytest.approx(0.132, abs=0.065)
    said, _ = words(0.015)
    assert said.count("slower") / SEQUENCES == pytest.approx(0.828, abs=0.072)
    said, epochs = words(0.02)
    assert said.count("slower") >= 0.98 * SEQUENCES
    assert epochs == pytest.approx(19.8, abs=2)
    met, _ = limit_rows(found, 1.02, seed=1)
    assert met.count("violated") <= 1
    assert met.count("met") >= 0.98 * SEQUENCES


def test_many_sequences_at_once_get_the_words_that_each_gets_alone() -> None:
    rows = np.random.default_rng(3).normal(0.01, 0.012, size=(40, 12))
    words, used = compare_rows(rows)
    assert list(words) == [compare_test(row) for row in rows]
    assert len(set(words)) == 3
    assert set(used) <= {10, 12}


def test_calm_twins_are_never_called_different_and_plus_two_percent_always_found() -> None:
    calm = rate(twins(32, spread=0.004), seed=0, sequences=640)
    assert calm is not None
    assert calm.rate == 0.0
    assert (calm.pairs, calm.series, calm.epochs, calm.sequences) == (32, 8, 640, 640)
    assert calm.disjoint == (64, 0)
    assert calm.disjoint_bound == pytest.approx(0.0457, abs=1e-4)  # 1 - 0.05 ** (1 / 64)
    assert calm.is_met
    slow = [
        pair([math.log(1.02) + v for v in row.log_ratios], name=row.pair, kind="plus2")
        for row in twins(32, spread=0.004)
    ]
    found = rate(slow, seed=0, sequences=640)
    assert found is not None
    assert found.rate == 1.0
    assert found.bound_by_pair == 1.0
    assert found.mean_epochs == pytest.approx(10, abs=0.2)


def test_a_biased_file_shows_as_its_own_rate_and_widens_the_bounds() -> None:
    """Mixed over pairs, or with coins drawn again, these two of 20 would have gone unseen."""
    found = rate(twins(20, spread=0.003, biased=2), seed=0, sequences=1000)
    assert found is not None
    assert found.rate == pytest.approx(0.1)
    assert not found.is_met
    assert [name for name, value in found.by_pair.items() if value > 0.5] == ["twin-0", "twin-1"]
    assert found.bound_by_pair == pytest.approx(0.2, abs=0.06)
    # Both lie in one of the five series: whole series give the wider bound.
    assert found.bound_by_series >= 0.2
    assert found.disjoint == (40, 4)


def test_each_sequence_comes_from_one_pair() -> None:
    rows = [pair([0.05] * 20), pair([-0.05] * 20, name="twin-1")]
    found = rate(rows, seed=0, sequences=100)
    assert found is not None
    assert dict(found.words) == {"slower": 50, "faster": 50}


def test_marked_epochs_are_left_out_unless_asked_for() -> None:
    rows = [pair([0.5] * 5 + [0.0] * 20, marked=5)]
    clean, whole = (rate(rows, seed=0, sequences=50, clean=c) for c in (True, False))
    assert clean is not None
    assert whole is not None
    assert (clean.epochs, clean.marked, clean.rate) == (20, 5, 0.0)
    assert clean.pair_epochs == {"twin-0": 20}
    assert whole.epochs == 25
    assert rate([pair([0.1] * 3, marked=3)], seed=0) is None


def test_bounds_are_clopper_and_pearsons() -> None:
    assert binomial_bound(299, 0, upward=True) == pytest.approx(0.00997, abs=1e-5)
    assert binomial_bound(100, 2, upward=True) == pytest.approx(0.0616, abs=1e-4)
    assert binomial_bound(100, 100, upward=False) == pytest.approx(0.05 ** (1 / 100))
    assert binomial_bound(0, 0, upward=True) == 1.0
    assert binomial_bound(20, 0, upward=False) == pytest.approx(0.0)


def test_a_page_is_made_of_an_incomplete_file_and_counts_only_what_was_timed() -> None:
    epoch = {"first": 0, "a": [1000] * 10, "b": [1020] * 10, "marked": False}
    common = {
        "schema": 1, "started_at": "2026-01-01T00:00:00+00:00", "seconds": 60, "boot": "b",
        "cpu_model": "A CPU", "allowed_cpus": 2, "versions": {"onnxruntime": "1.32.0"},
    }  # fmt: skip
    row = {"pair": "plus2-0", "kind": "plus2", "condition": "busy"}
    live = {"kind": "twin", "condition": "idle", "marked": False, "s": 14.0}
    lines = [
        {**common, "unit": "epochs-0", "kind": "epochs", "rows": [{**row, "epochs": [epoch] * 10}]},
        {
            **common, "unit": "live-0", "kind": "live",
            "rows": [
                {**live, "verdict": "no-slower", "log_ratios": [0.0] * 10},
                {**live, "verdict": "slower", "log_ratios": [0.1] * 10, "condition": "busy"},
                {**live, "verdict": "identical", "log_ratios": []},
            ],
        },
    ]  # fmt: skip
    assert log_ratio(epoch) == pytest.approx(math.log(1.02))
    assert recorded(lines)[0].log_ratios == pytest.approx([math.log(1.02)] * 10)
    page = summarise(lines, source=Path("rates.jsonl"), sequences=50)
    assert (
        "| 50 against 51 layers (+2 %), found | busy | 10 | 1, 1 | **100.00%** | ≥ 95%: met" in page
    )
    assert "| pair | idle | busy |\n|---|---|---|\n| plus2-0 | - | 100.0%, 10 |\n\n" in page
    assert "| twins, called different | idle | 1 | 0 | ≤ 95.0% | no-slower 1 | 14 s |" in page
    assert "| twins, called different | idle and busy | 2 | 1 | ≤ 97.5% |" in page
    assert "2 units in 2 min on 1 boot" in page
    # What chose the margin can't confirm it: its units are in the first table alone.
    heading = "## The same without the units by which the margin was chosen"
    assert page.count("| 50 against 51 layers (+2 %), found | busy | 10 |") == 2
    assert heading in page
    chose = [{**line, "unit": "busy-5"} for line in lines if line["kind"] == "epochs"]
    assert heading not in summarise(chose, source=Path("rates.jsonl"), sequences=50)
