"""Budgets on a GPU: nodes that it left to the CPU, and what was not measured there."""

from __future__ import annotations

from dataclasses import replace

from gate_sample import budget, report

from benchmarks.values import Setting
from compress.gate.judge import judge
from compress.pipeline.gate_timing import allowed_nodes, counted_nodes
from compress.recipe.catalogue import check_budget
from compress.values import Report, Verdict


def _on(device: str, nodes: tuple[str, ...] | None) -> Report:
    """The sample's student, measured on a device as well."""
    base = report()
    assert base.measured is not None
    teacher, student = base.measured.measurements
    cell = replace(
        student.cells[0],
        setting=Setting(device=device, threads=1, batch=1),
        fallback_nodes=nodes,
    )
    student = replace(student, cells=(*student.cells, cell))
    return replace(base, measured=replace(base.measured, measurements=(teacher, student)))


def _verdict(found: Report, most: int, *, on: str = "cuda") -> Verdict:
    (verdict,) = judge(found, (budget(metric="cpu_nodes", on=on, max=str(most)),))
    return verdict


NODES = ("a (Shape) on CPUExecutionProvider", "b (Unique) on CPUExecutionProvider")


def test_nodes_on_the_cpu_are_counted_and_named() -> None:
    assert _verdict(_on("cuda", NODES), 2).status == "pass"
    verdict = _verdict(_on("cuda", NODES), 1)
    assert verdict.status == "violated"
    assert verdict.observed == "2"
    assert NODES[0] in verdict.reason


def test_what_tensorrt_leaves_to_cuda_is_no_node_on_the_cpu() -> None:
    left = ("c (Resize) on CUDAExecutionProvider", *NODES[:1])
    assert _verdict(_on("tensorrt", left), 1, on="tensorrt").status == "pass"
    assert _verdict(_on("tensorrt", left), 0, on="tensorrt").status == "violated"


def test_a_device_that_was_not_measured_is_unmeasured() -> None:
    assert _verdict(report(), 9).status == "unmeasured"
    assert _verdict(_on("cuda", None), 9).status == "unmeasured"


def test_a_budget_on_nodes_is_what_may_run_on_the_cpu_while_its_gpu_is_timed() -> None:
    most = budget(metric="cpu_nodes", on="cuda", max="3")
    speed = budget(metric="latency.p50", on="cuda", vs="teacher", min_speedup="2x")
    found = _on("cuda", NODES).measured
    assert allowed_nodes((most, speed), "cuda", found) == 3
    assert allowed_nodes((speed,), "cuda", found) == 0
    assert allowed_nodes((most, speed), "tensorrt", found) == 0
    # One more than is allowed is the verdict of that budget, and no failure of the machine.
    assert allowed_nodes((most.model_copy(update={"max": "1"}), speed), "cuda", found) == 2


def test_nodes_are_counted_without_a_limit_only_where_a_budget_judges_them() -> None:
    most = budget(metric="cpu_nodes", on="cuda", max="3")
    time = budget(metric="latency.p50", on="cuda", max="15ms")
    assert counted_nodes((most, time), {"cpu", "cuda"}) > 10**6
    assert counted_nodes((time,), {"cpu", "cuda"}) == 0
    assert counted_nodes((most, time), {"cuda", "tensorrt"}) == 0


def test_the_metric_has_one_name() -> None:
    problem = check_budget(budget(metric="cpu_fallback_nodes", on="cuda", max="0"))
    assert problem is not None
    assert problem.cure == "did you mean 'cpu_nodes'?"
