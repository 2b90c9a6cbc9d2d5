"""What is timed for the error rates: pairs by construction, conditions, units that are kept."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import onnx
import pytest

from benchmarks.evidence.lines import read_lines
from benchmarks.evidence.machine import Meter, surroundings
from benchmarks.evidence.networks import KINDS, Pair, feed, write_pair
from benchmarks.evidence.plan import Plan
from benchmarks.evidence.record import record_missing
from benchmarks.evidence.replay import recorded
from benchmarks.pace import Pace
from exporters.artifact import open_artifact
from exporters.errors import InputError
from exporters.macs import count_macs


def test_32_twins_differ_in_bytes_and_not_in_work(tmp_path: Path) -> None:
    seen = set()
    for number in range(32):
        twin = Pair(kind="twin", number=number)
        first, second = map(open_artifact, write_pair(twin, tmp_path))
        assert first.digest != second.digest
        assert first.parameters == second.parameters
        models = [onnx.load(artifact.path) for artifact in (first, second)]
        kinds = [[node.op_type for node in model.graph.node] for model in models]
        assert kinds[0] == kinds[1]
        if number < 4:  # a family each
            assert count_macs(models[0]) == count_macs(models[1])
        assert feed(twin).shape == twin.input_shape()
        assert twin.expected == 1.0
        seen.add((twin.family, twin.change, twin.depths))
    assert len(seen) == 32


@pytest.mark.parametrize(("kind", "ratio"), [("plus2", 51 / 50), ("plus5", 21 / 20)])
def test_a_slow_down_is_one_layer_more(kind: str, ratio: float, tmp_path: Path) -> None:
    for number in range(4):
        slower = Pair(kind=kind, number=number)  # type: ignore[arg-type]
        first, second = map(onnx.load, write_pair(slower, tmp_path))
        macs = [count_macs(model) for model in (first, second)]
        assert macs[0] is not None
        assert macs[1] is not None
        assert macs[1] / macs[0] == pytest.approx(ratio)
        assert slower.expected == pytest.approx(ratio)
        # The layers that both have are the same, in the same order.
        assert second.graph.initializer[: len(first.graph.initializer)] == first.graph.initializer


def test_a_pair_is_the_same_on_every_machine(tmp_path: Path) -> None:
    twin = Pair(kind="twin", number=13)
    before = [path.read_bytes() for path in write_pair(twin, tmp_path)]
    assert [path.read_bytes() for path in write_pair(twin, tmp_path)] == before


def test_the_plan_has_the_counts_that_were_promised() -> None:
    plan = Plan()
    units = list(plan.units())
    for kind in KINDS:
        for condition in plan.conditions:
            jobs = [
                job
                for unit in units
                if unit.kind == condition
                for job in unit.jobs
                if (job.pair.kind, job.condition) == (kind, condition)
            ]
            assert len(jobs) * plan.epochs >= 600
            assert len({job.pair for job in jobs}) >= 30
    for condition in plan.conditions:
        assert sum(unit.kind == condition for unit in units) >= 8
    live = [job for unit in units if unit.kind == "live" for job in unit.jobs]
    recorded_pairs = {job.pair for unit in units if unit.kind != "live" for job in unit.jobs}
    assert len(live) >= 100
    assert len({job.pair for job in live}) == len(live)
    assert not {job.pair for job in live} & recorded_pairs
    assert len({(job.pair.kind, job.condition) for job in live}) == 6
    # About 2.5 s per epoch: no unit is longer than 20 minutes.
    assert max(len(u.jobs) for u in units if u.kind != "live") * plan.epochs * 2.5 < 1140
    assert max(len(u.jobs) for u in units if u.kind == "live") * plan.live_s < 1140


def test_units_are_kept_line_by_line_and_skipped_when_present(
    tmp_path: Path, hurried: Pace
) -> None:
    path = tmp_path / "new" / "rates.jsonl"
    short = Plan(series=1, pairs=1, epochs=2, spare=0, live_units=0, conditions=("idle",))
    plan = replace(short, unit_s=0.05)  # over after its first job
    said: list[str] = []
    assert record_missing(path, plan, say=said.append, pace=hurried) == 1
    (line,) = read_lines(path)
    assert (line["unit"], line["kind"], line["cut"]) == ("idle-0", "epochs", True)
    assert line["cpu_model"]
    (row,) = line["rows"]
    assert (row["pair"], row["condition"], len(row["epochs"])) == ("twin-0", "idle", 2)
    for epoch in row["epochs"]:
        assert len(epoch["a"]) == len(epoch["b"]) == hurried.rounds
        assert {"first", "marked", "s", "load", "others", "steal"} <= set(epoch)
    assert not any("slower" in text or "%" in text for text in said)  # marked before it is seen
    assert all(len(row.log_ratios) == 2 for row in recorded([line]))
    before = path.read_bytes()
    assert record_missing(path, plan, say=said.append, pace=hurried) == 0
    assert path.read_bytes() == before


def test_live_comparisons_keep_word_and_epochs(tmp_path: Path, hurried: Pace) -> None:
    path = tmp_path / "live.jsonl"
    plan = Plan(series=1, live_units=1, live_s=0.001, unit_s=0.05)  # cut after the first, idle one
    record_missing(path, plan, say=lambda text: None, pace=hurried, parts=["live"])
    (line,) = read_lines(path)
    assert line["unit"] == "live-0"
    assert line["cut"]
    assert line["rows"][0]["pair"] == "twin-100"
    assert line["rows"][0]["verdict"] == "inconclusive"  # no time for the first look
    assert len(line["rows"][0]["log_ratios"]) <= 1


def test_the_busy_neighbour_is_pinned_and_ends_with_its_block() -> None:
    last = max(os.sched_getaffinity(0))
    with surroundings("busy", cpus=frozenset({-1, last})) as meter:
        (pid,) = meter.ours
        assert os.sched_getaffinity(pid) == {last}
        meter.begin()
        assert meter.end().seconds > 0
    assert not Path(f"/proc/{pid}").exists()
    with (
        pytest.raises(InputError, match="2 allowed CPUs"),
        surroundings("busy", cpus=frozenset({last})),
    ):
        pass


def test_an_epoch_is_marked_by_what_others_and_the_host_took(tmp_path: Path) -> None:
    (tmp_path / "proc").mkdir()
    stat = tmp_path / "proc" / "stat"

    def after(*, user: int = 0, steal: int = 0) -> bool:
        stat.write_text("cpu  1000 0 1000 9999 0 0 0 0 0 0\n")
        meter = Meter(root=tmp_path)
        stat.write_text(f"cpu  {1000 + user} 0 1000 9999 0 0 0 {steal} 0 0\n")
        return meter.end().is_marked

    assert not after()
    assert after(user=100_000)
    assert after(steal=100_000)
