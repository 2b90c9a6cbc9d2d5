"""Control rows, slices and the ledger of a whole run, as a user's recipe asks for them."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from compress.errors import InputError
from compress.gate.gate_file import load_gate
from compress.pipeline.run import plan, run
from compress.report.markdown import render_markdown
from compress.values import Report
from exporters.events import Event

_COLUMNS = """

import numpy as _np
from dataclasses import replace as _replace

_plain = data


def data():
    made = _plain()
    count = len(made.test[1])
    sites = _np.array(["north", "south"])[_np.arange(count) % 2]
    sites[:3] = "isle"
    return _replace(made, test_columns={"site": sites}, test_groups=_np.arange(count) // 2)
"""


@pytest.fixture(scope="module")
def surveyed(shapes: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The shapes project, its test samples in pairs and from three sites."""
    folder = tmp_path_factory.mktemp("surveyed") / "project"
    shutil.copytree(shapes, folder, ignore=shutil.ignore_patterns("__pycache__"))
    with (folder / "project.py").open("a") as stream:
        stream.write(_COLUMNS)
    return folder


def test_control_rows_are_stages_that_the_recipe_switches_off(shapes: Path, tmp_path: Path) -> None:
    def names(*overrides: str) -> set[str]:
        planned = plan(shapes / "recipe.yaml", cache=tmp_path, overrides=overrides)
        return {stage.stage for stage in planned}

    controls = {"train-on-labels", "export-on-labels", "quantize-on-labels", "quantize-teacher"}
    assert not names() & controls  # this recipe writes `controls: none`
    assert names("controls=all") >= controls
    assert names("controls={teacher_quantized: true}") & controls == {"quantize-teacher"}
    assert names("controls=all", "quantize={kind: none}", "decisions={}") & controls == {
        "train-on-labels",
        "export-on-labels",
    }
    assert not names("controls=all", "teacher=null", "distill.loss=labels", "budgets=[]") & controls


@pytest.mark.slow
def test_a_run_shows_controls_slices_and_the_ledger(surveyed: Path, tmp_path: Path) -> None:
    events: list[Event] = []
    done = run(
        surveyed / "recipe.yaml",
        out=tmp_path / "out",
        cache=tmp_path / "cache",
        overrides=(
            "controls=all",
            "budgets=[{id: sites, metric: accuracy, vs: teacher, per_slice: site, max_drop: 10pp},"
            "{id: f1, metric: macro_f1, vs: teacher, max_drop: 20pp},"
            "{id: loss, metric: nll, max: 5}]",
        ),
        on_event=events.append,
    )
    report = done.report
    assert [event.kind for event in events].count("test-read") == 1
    _check_controls(report)
    _check_slices(report)
    assert [step.stop for step in report.ledger] == [
        "teacher",
        "student, as trained",
        "student, exported",
        "student, quantized",
    ]
    assert report.ledger[2].lost == report.ledger[2].gained == 0
    assert {cost.operator for cost in report.node_costs} <= {"Conv", "Gemm", "MatMul"}
    assert len(report.node_costs) >= 1
    text = render_markdown(report)
    for heading in ("## Slices, worst first", "## Other metrics", "## Where accuracy went"):
        assert heading in text
    stored = json.loads((done.folder / "report.json").read_text())
    assert len(stored["slices"]) == len(report.slices)


def _check_controls(report: Report) -> None:
    assert [quality.subject for quality in report.qualities] == [
        "teacher",
        "student",
        "teacher int8",
        "student on labels",
    ]
    assert [one.step for one in report.added] == [
        "distillation",
        "quantization of the student",
        "quantization of the teacher",
    ]
    pair = next(p for p in report.pairs if p.candidate == "student")
    assert pair.groups == 200
    assert {m.metric for m in pair.metrics} >= {"macro_f1", "nll", "brier", "ece"}
    for one in report.added:
        assert one.difference_low_bound <= one.difference <= one.difference_high_bound


def _check_slices(report: Report) -> None:
    kinds = {one.kind for one in report.slices}
    assert kinds == {"class", "site", "brightness", "confidence", "corruption"}
    assert report.slice_drop == pytest.approx(0.1)
    sites = next(v for v in report.verdicts if v.budget == "sites")
    words = {part.name: part.status for part in sites.parts}
    assert words["site isle"] == "inconclusive"
    assert set(words) == {"site isle", "site north", "site south"}
    assert {v.budget: v.status for v in report.verdicts}["f1"] == "pass"


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("slices={by: [colour]}", "can't be sliced by 'colour'"),
        ("slices={corruptions: [fog]}", "'fog' is not one of noise, blur, contrast"),
    ],
)
def test_a_slice_that_is_not_there_is_refused_before_anything_long(
    shapes: Path, tmp_path: Path, override: str, said: str
) -> None:
    with pytest.raises(InputError, match=said):
        plan(shapes / "recipe.yaml", cache=tmp_path, overrides=(override,))


def test_a_gate_file_takes_the_words_of_slices(tmp_path: Path) -> None:
    path = tmp_path / "distil.gate.yaml"
    path.write_text(
        "schema: 1\nfrom: [runs/a]\nbudgets:\n"
        "  - {id: s, metric: accuracy, vs: teacher, per_slice: lang, max_drop: 3pp,"
        " correction: holm}\n"
        "  - {id: p, metric: macro_f1, vs: teacher, max_drop: 3pp, test: point}\n"
    )
    first, second = load_gate(path).budgets
    assert (first.per_slice, first.correction, second.test) == ("lang", "holm", "point")
