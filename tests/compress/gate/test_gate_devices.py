"""Budgets on a GPU: nodes that it left to the CPU, and what was not measured there."""

from __future__ import annotations

from dataclasses import replace

from gate_sample import budget, report

from benchmarks.values import Setting
from compress.gate.judge import judge
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
