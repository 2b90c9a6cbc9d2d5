"""`quantize: auto` of a recipe: the search's choice as a stage, applied by the next one."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import numpy_helper

from compress.pipeline.context import Context
from compress.pipeline.decisions import DECISION_FILE, read_decision, write_decision
from compress.pipeline.graph import run_stages
from compress.pipeline.run import prepare
from compress.pipeline.stage import Finished, Inputs, OnEvent, Stage, StageResult
from compress.pipeline.stages.exporting import EXPORT, FLOAT_FILE
from compress.pipeline.stages.mixing import MIX_FILE, _judges, mix_of, read_plan
from compress.pipeline.stages.predicting import scores, validation_score
from compress.pipeline.stages.quantizing import CHOOSE, FACTS, INT8_FILE, QUANTIZE, quantize_stages
from compress.pipeline.stages.served import least_score, served_facts, served_notes
from compress.quantize.fidelity import answers
from compress.quantize.kinds import quantize_kind
from compress.quantize.static import quantize_static
from compress.recipe.load import load_recipe
from compress.recipe.nodes import StaticQuantize
from compress.recipe.targets import load_target
from compress.store.store import open_store
from compress.students.build import build_student
from compress.tasks.views import as_inputs
from compress.values import Decision
from exporters.artifact import open_artifact
from exporters.export import export
from exporters.inspect import inspect_model

SAYINGS = Path(__file__).parents[2] / "projects" / "sayings"
AUTO = ("quantize={kind: auto, samples: 64, max_drop: 30pp}", "bench.batch=[1, 8]")
INT8 = ("MatMulIntegerToFloat", "DynamicQuantizeMatMul")


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sayings") / "project"
    shutil.copytree(SAYINGS, folder, ignore=shutil.ignore_patterns("__pycache__"))
    load_target("project.py:write_data", folder)(folder)
    return folder


@pytest.fixture(scope="module")
def context(project: Path) -> Context:
    return prepare(load_recipe(project / "recipe.yaml", overrides=AUTO), cache=project.parent)


@pytest.fixture(scope="module")
def float_file(context: Context, project: Path) -> Path:
    """An untrained transformer: what its answers lose is seen all the same."""
    recipe, task = context.recipe, context.task
    torch.manual_seed(0)
    module = build_student(recipe.student, folder=project, seed=0, task=task).eval()
    path = project / FLOAT_FILE
    export(
        module, as_inputs(task, task.train.inputs[:2]), path=path, input_names=task.input_names,
        open_axes=task.open_axes,
    )  # fmt: skip
    return path


def made(
    context: Context, float_file: Path, cache: Path, *, stages: int = 2
) -> Mapping[str, Finished]:
    """The mix, and the file, of a student that some other stage has exported."""

    def copied(inputs: Inputs, work: Path, on_event: OnEvent) -> StageResult:
        shutil.copyfile(float_file, work / FLOAT_FILE)
        return StageResult(files={FLOAT_FILE: work / FLOAT_FILE})

    source = Stage(name=EXPORT, version=1, parts=lambda inputs: {}, compute=copied)
    with open_store(cache) as store:
        done = run_stages(
            (source, *quantize_stages(context)[:stages]), store=store, on_event=lambda event: None
        )
        return {
            name: replace(
                one, files={key: _kept(path, cache, name) for key, path in one.files.items()}
            )
            for name, one in done.items()
        }


def _kept(path: Path, cache: Path, stage: str) -> Path:
    target = cache / f"{stage}-{path.name}"
    shutil.copyfile(path, target)
    return target


def test_the_mix_that_is_found_is_made_and_not_searched_again(
    context: Context, float_file: Path, tmp_path: Path
) -> None:
    done = made(context, float_file, tmp_path)
    decision = read_decision(done[mix_of(QUANTIZE)].files[DECISION_FILE])
    plan = read_plan(done[mix_of(QUANTIZE)].files[MIX_FILE])
    assert decision.question == "mix"
    assert decision.evidence["tried"]
    operators = inspect_model(done[QUANTIZE].files[INT8_FILE]).operators
    rounded = sum(operators.get(f"com.microsoft.{name}", 0) for name in INT8)
    if plan is None:
        assert decision.chosen == "static"
        assert "all that has a static form is made" in decision.reason
    else:
        assert decision.chosen.split(",")[0] in {"static", "row", "dynamic"}
        assert rounded == len(plan.products)
    facts = done[QUANTIZE].json(FACTS)
    assert [one["batch"] for one in facts["served"]] == [1, 8]
    again = made(context, float_file, tmp_path)
    assert all(one.record.hit for one in again.values())
    assert notes(done[QUANTIZE], tmp_path, moved=0.0) == (
        "Answers of the quantized file do not depend on their batch: at batch 1, 8 they are those "
        "that a sample gets alone, on 100 validation samples.",
    )
    assert notes(done[QUANTIZE], tmp_path, moved=0.5) == (
        "At batch 8, 50.0 % of the quantized file's answers are not those that a sample gets "
        "alone, 25.0 % are another class (100 validation samples). Its score there is 0.9000.",
    )


def notes(done: Finished, folder: Path, *, moved: float) -> tuple[str, ...]:
    """Of a run that ships the quantized file, whose answers at batch 8 move so often."""
    served = [
        {"batch": batch, "moved": share, "changed": share / 2, "score": 0.9}
        for batch, share in ((1, 0.0), (8, moved))
    ]
    (folder / FACTS).write_text(json.dumps({"served": served, "compared": 100}))
    chosen = write_decision(folder, Decision(question="quantize", chosen="int8", reason=""))
    finished = {
        QUANTIZE: replace(done, files={FACTS: folder / FACTS}),
        CHOOSE: replace(done, files={DECISION_FILE: chosen}),
    }
    return served_notes(finished, quantize=QUANTIZE, facts_file=FACTS, choice=CHOOSE)


def test_nothing_is_searched_where_the_float_file_is_pinned(
    context: Context, float_file: Path, tmp_path: Path
) -> None:
    recipe = context.recipe.model_copy(update={"decisions": {"quantize": "float32"}})
    done = made(replace(context, recipe=recipe), float_file, tmp_path, stages=1)
    assert json.loads(done[mix_of(QUANTIZE)].files[MIX_FILE].read_bytes()) is None
    assert "tried" not in read_decision(done[mix_of(QUANTIZE)].files[DECISION_FILE]).evidence


@pytest.mark.parametrize("recipe", ["recipe.yaml", "embed.yaml"])
def test_a_mix_is_judged_as_the_file_is_that_is_made_of_it(
    recipe: str, project: Path, float_file: Path, tmp_path: Path
) -> None:
    """By right answers, or by the similarities of a teacher's embeddings, sample by sample."""
    context = prepare(load_recipe(project / recipe), cache=project.parent)
    embeddings = None
    if context.task.outputs == "embeddings":
        embeddings = tmp_path / "taught.npy"
        np.save(embeddings, np.random.default_rng(0).normal(size=(90, 5)))
    held, labels, keeps = _judges(context, open_artifact(float_file), embeddings)
    reference = answers(float_file, held)
    found = keeps(reference)(reference)
    assert found.drop == 0
    assert found.value == pytest.approx(
        validation_score(float_file, context.task, threads=1, embeddings=embeddings), abs=1e-4
    )
    if labels is not None:  # untrained, it gives all the same class: who has which label?
        order = np.concatenate(held.rows)
        validation = context.task.validation
        np.testing.assert_array_equal(labels, validation.labels[order])
        exact = scores(float_file, context.task, validation, threads=1)[order]
        np.testing.assert_allclose(reference, exact, atol=1e-5)


def test_accuracy_is_that_of_each_batch_size_where_answers_depend_on_it(
    context: Context, float_file: Path, tmp_path: Path
) -> None:
    """One range over a batch of eight is not the range of one sample; fixed ranges are the same."""
    from compress.pipeline.stages.quantizing import calibration_batches

    source, flags = open_artifact(float_file), ("avx2",)
    samples = calibration_batches(context, 64)
    moving = quantize_kind(
        source, path=tmp_path / "dynamic.onnx", kind="dynamic", calibration=samples, cpu_flags=flags
    )
    fixed = quantize_static(
        source, path=tmp_path / "static.onnx", calibration=samples, cpu_flags=flags
    )
    found = served_facts(moving.path, context, known=2.0, embeddings=None)
    alone, together = found["served"]
    assert (alone["moved"], alone["changed"]) == (0.0, 0.0)
    assert together["moved"] > 0.5
    assert found["compared"] == len(context.task.validation)
    assert least_score(found) == min(alone["score"], together["score"]) < 1.0
    kept = served_facts(fixed.path, context, known=0.5, embeddings=None)
    assert [one["moved"] for one in kept["served"]] == [0.0, 0.0]
    assert [one["score"] for one in kept["served"]] == [0.5, 0.5]


def test_what_calibrates_is_in_neither_validation_nor_test(context: Context) -> None:
    """By what samples hold: the few training samples that are held out too are left out."""
    train = context.task.train
    wanted = len(train) - 20
    shared = tuple(int(one) for one in train.ids[:20])
    task = replace(context.task, held_out_too=shared)
    drawn = _calibrating(context, wanted)
    left = _calibrating(replace(context, task=task), len(train))
    held_out = _texts(train.inputs[:20])
    assert len(drawn) == len(left) == wanted
    assert set(drawn) & set(held_out)
    assert not set(left) & set(held_out)
    for samples in (context.task.validation, context.task.test()):
        assert not set(drawn) & set(_texts(samples.inputs))


def _calibrating(context: Context, count: int) -> list[bytes]:
    from compress.pipeline.stages.quantizing import calibration_batches

    batches = calibration_batches(context, count)
    return [text for batch in batches for text in _texts(batch["input_ids"])]


def _texts(rows: np.ndarray) -> list[bytes]:
    """Token ids without the padding, which differs from batch to batch."""
    return [np.trim_zeros(row.astype(np.int64), "b").tobytes() for row in rows]


@pytest.mark.parametrize(("device", "kind"), [("cpu", "uint8"), ("tensorrt", "int8")])
def test_the_integers_are_those_of_the_device(
    device: str, kind: str, context: Context, float_file: Path, tmp_path: Path
) -> None:
    recipe = context.recipe.model_copy(
        update={
            "bench": context.recipe.bench.model_copy(update={"devices": (device,)}),
            "quantize": StaticQuantize(kind="static", samples=64, max_drop="30pp"),
        }
    )
    machine = {**context.machine, "cpu_flags": "avx2 avx512_vnni"}
    done = made(replace(context, recipe=recipe, machine=machine), float_file, tmp_path, stages=1)
    graph = onnx.load(done[QUANTIZE].files[INT8_FILE]).graph
    stored = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    zeros = [stored[n.input[2]] for n in graph.node if n.op_type == "QuantizeLinear"]
    assert {zero.dtype.name for zero in zeros} == {kind}
    assert any(zeros) is (device == "cpu")


def test_the_calibration_of_a_recipe_is_the_file_s(
    context: Context, float_file: Path, tmp_path: Path
) -> None:
    steps = []
    for method in ("minmax", "mse"):
        wish = StaticQuantize(kind="static", samples=64, calibration=method, max_drop="30pp")
        recipe = context.recipe.model_copy(update={"quantize": wish})
        done = made(replace(context, recipe=recipe), float_file, tmp_path, stages=1)
        graph = onnx.load(done[QUANTIZE].files[INT8_FILE]).graph
        stored = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
        scales = [n.input[1] for n in graph.node if n.op_type == "QuantizeLinear"]
        steps.append(np.array([stored[name] for name in scales]))
    before, after = steps
    assert (after <= before).all()
    assert (after / before).min() < 0.999
