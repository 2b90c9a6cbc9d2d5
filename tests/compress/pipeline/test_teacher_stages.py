"""Teacher outputs through the pipeline's store: paid for once, found again after damage."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from toy_project import TEACHERS, toy_project

from compress.cli.main import run_command
from compress.errors import InputError
from compress.pipeline.graph import run_stages
from compress.pipeline.run import prepare
from compress.pipeline.stage import Finished
from compress.pipeline.stages.answering import answering_teacher
from compress.pipeline.stages.teacher import OUTPUTS_FILE, teacher_stages, view_parts
from compress.pipeline.stages.teacher_files import output_notes
from compress.recipe.load import load_recipe
from compress.store.index import Entry
from compress.store.store import open_store
from exporters.session import runs_on

from toy_task import linear_onnx  # isort: skip
import toy  # isort: skip  # beside TEACHERS, which toy_project puts on the path

PROJECT = """
from pathlib import Path
import numpy as np
import toy
from torch import nn
from compress.tasks import ArrayData

CALLS = Path(__file__).with_name("calls")

def data(seed=1, scale=None):
    return ArrayData(train=toy.images(300, seed), validation=toy.images(60, 2),
                     test=toy.images(60, 3), classes=toy.CLASSES, scale=scale)

def other_data():
    return data(seed=4)

def fainter():
    return data(scale=1 / 510)

def teacher(images):
    with CALLS.open("a") as stream:
        stream.write("x")
    return (images.reshape(len(images), -1) @ toy.weights().T).astype(np.float32)

def scaled(images):
    return 2 * teacher(images)

def small():
    return nn.Sequential(nn.Flatten(), nn.Linear(64, 3))

def smaller():
    return nn.Sequential(nn.AvgPool2d(2), nn.Flatten(), nn.Linear(16, 3))
"""
RECIPE = """
schema: 1
name: toy
task: {kind: python, target: "project.py:data", augment: {crop: 1}}
teacher: {kind: python, target: "project.py:teacher"}
student: {kind: python, target: "project.py:small"}
distill: {loss: {kind: kd}, epochs: 2, batch: 32, views: 2}
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    return toy_project(tmp_path / "project", PROJECT, RECIPE)


def calls(project: Path) -> int:
    path = project / "calls"
    return path.stat().st_size if path.exists() else 0


def teach(project: Path, *overrides: str) -> dict[str, Finished]:
    loaded = load_recipe(project / "recipe.yaml", overrides=overrides)
    cache = project.parent / "cache"
    with open_store(cache) as store:
        context = prepare(loaded, cache=cache)
        return run_stages(teacher_stages(context), store=store, on_event=lambda event: None)


def test_the_second_student_of_a_study_pays_nothing_for_its_teacher(project: Path) -> None:
    first = teach(project)
    assert calls(project) > 0
    (project / "calls").unlink()
    second = teach(
        project,
        "student.target=project.py:smaller",
        "distill.loss={kind: kd, temperature: 2}",
        "distill.epochs=7",
        "distill.learning_rate=0.01",
    )
    assert calls(project) == 0
    views = [name for name in second if name.startswith("teacher-outputs")]
    assert views == ["teacher-outputs-0", "teacher-outputs-1"]
    assert all(second[name].record.hit for name in views)
    assert [second[name].entry.key for name in views] == [first[name].entry.key for name in views]


@pytest.mark.parametrize(
    "override",
    ["task.augment={crop: 2}", "seed=1", "distill.mixup=0.3", "distill.stored={dtype: float16}"],
)
def test_another_view_is_another_entry(project: Path, override: str) -> None:
    first = teach(project)
    second = teach(project, override)
    assert not second["teacher-outputs-0"].record.hit
    assert first["teacher-outputs-0"].entry.key != second["teacher-outputs-0"].entry.key


@pytest.mark.parametrize(
    "override",
    [
        "teacher.target=project.py:scaled",
        "task.target=project.py:other_data",
        "task.target=project.py:fainter",
    ],
)
def test_what_is_as_right_on_validation_has_entries_of_its_own(
    project: Path, override: str
) -> None:
    """Else the same facts would stand for another teacher, other samples or another scale."""
    first, second = teach(project), teach(project, override)
    assert second["teacher"].entry.files == first["teacher"].entry.files
    for name in ("teacher", "teacher-outputs-0", "teacher-outputs-1"):
        assert second[name].entry.key != first[name].entry.key
        assert not second[name].record.hit
    views = [made["teacher-outputs-0"].files[OUTPUTS_FILE].read_bytes() for made in (first, second)]
    assert views[0] != views[1]


@pytest.mark.parametrize("damage", ["truncated", "bit-flipped", "foreign"])
def test_a_damaged_entry_is_found_and_computed_again(project: Path, damage: str) -> None:
    first = teach(project)
    view, other = first["teacher-outputs-0"], first["teacher-outputs-1"]
    path = view.files[OUTPUTS_FILE]
    good = path.read_bytes()
    path.chmod(0o644)
    if damage == "truncated":
        path.write_bytes(good[:-5])
    elif damage == "bit-flipped":
        path.write_bytes(good[:-5] + bytes([good[-5] ^ 1]) + good[-4:])
    else:
        index = project.parent / "cache" / "index"
        shutil.copyfile(
            index / "teacher-outputs-1" / f"{other.entry.key}.json",
            index / "teacher-outputs-0" / f"{view.entry.key}.json",
        )
    (project / "calls").unlink()
    again = teach(project)
    assert not again["teacher-outputs-0"].record.hit
    assert again["teacher-outputs-1"].record.hit
    assert calls(project) == 2  # 300 samples, 250 at a time: one view, and no check of the teacher
    assert again["teacher-outputs-0"].files[OUTPUTS_FILE].read_bytes() == good


def replace_outputs(project: Path, finished: Finished) -> None:
    """Outputs of another teacher under this one's key, whole by every hash."""
    with open_store(project.parent / "cache") as store:
        data = bytearray(finished.files[OUTPUTS_FILE].read_bytes())
        values = np.frombuffer(data, dtype="<f4", offset=len(data) - 300 * 3 * 4)
        values *= 1.1
        digest = store.blobs.put_bytes(bytes(data))
        old = finished.entry
        store.index.put(
            Entry(
                key=old.key,
                stage=old.stage,
                parts=old.parts,
                files={OUTPUTS_FILE: digest},
                created_at=old.created_at,
                seconds=old.seconds,
            )
        )


def test_cache_verify_computes_64_rows_again(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def verify() -> tuple[int, str]:
        cache = str(project.parent / "cache")
        code = run_command(["cache", "verify", str(project / "recipe.yaml"), "--cache", cache])
        return code, " ".join(capsys.readouterr().out.split())

    first = teach(project)
    code, said = verify()
    assert code == 0
    assert "64 rows of each of 2 stored views were computed again, 0 views differ" in said
    replace_outputs(project, first["teacher-outputs-1"])
    assert teach(project)["teacher-outputs-1"].record.hit  # the hashes are good
    code, said = verify()
    assert code == 1
    assert "teacher-outputs-1: 6" in said
    assert "rows are not what the teacher answers" in said
    again = teach(project)
    assert again["teacher-outputs-0"].record.hit
    assert not again["teacher-outputs-1"].record.hit


def test_a_black_box_has_no_file_and_no_budget_against_it(project: Path) -> None:
    assert sorted(teach(project)["teacher"].files) == ["facts.json"]
    budget = "budgets=[{id: speed, metric: latency.p50, vs: teacher, min_speedup: 2x}]"
    with pytest.raises(InputError, match="has no model file to measure"):
        teach(project, budget, "bench.epochs=16")


def test_a_file_of_another_framework_becomes_one_that_takes_the_tasks_images(
    project: Path,
) -> None:
    import onnxruntime

    shutil.copy(TEACHERS / "made" / "sklearn_mlp.onnx", project / "t.onnx")
    made = teach(project, "teacher={kind: onnx, path: t.onnx, outputs: probabilities}")
    session = onnxruntime.InferenceSession(made["teacher"].files["teacher.onnx"])
    (given,), (answer,) = session.get_inputs(), session.get_outputs()
    assert given.shape == ["batch", 1, 8, 8]
    assert (given.name, given.type, answer.name) == ("images", "tensor(float)", "logits")
    images, labels = toy.images(60, 3)
    scores = session.run(None, {"images": (images / 255.0).astype(np.float32)})[0]
    assert (scores.argmax(axis=1) == labels).mean() > 0.9
    np.testing.assert_allclose(np.exp(scores).sum(axis=1), 1.0, atol=1e-5)


def test_what_a_gpu_answers_is_stored_under_a_key_of_its_own(project: Path) -> None:
    context = prepare(load_recipe(project / "recipe.yaml"), cache=project.parent / "cache")
    node = context.recipe.distill.model_copy(update={"device": "cuda"})
    on_gpu = replace(context, recipe=context.recipe.model_copy(update={"distill": node}))
    teacher = context.recipe.teacher
    assert teacher is not None
    plain = view_parts(context, teacher, 0)
    assert view_parts(on_gpu, teacher, 0) == {**plain, "device": "cuda"}


def test_a_file_answers_on_the_cpu_where_onnxruntime_has_no_gpu(project: Path) -> None:
    linear_onnx(project / "t.onnx")
    loaded = load_recipe(project / "recipe.yaml", overrides=("teacher={kind: onnx, path: t.onnx}",))
    context = prepare(loaded, cache=project.parent / "cache")
    node = context.recipe.teacher
    assert node is not None
    if runs_on("cuda"):
        pytest.skip("this onnxruntime has CUDA")
    images = torch.from_numpy(context.task.prepare(context.task.validation.inputs[:8]))
    for file in (None, project / "t.onnx"):
        on_gpu = answering_teacher(context, node, file, device="cuda").answer(images)
        on_cpu = answering_teacher(context, node, file).answer(images)
        np.testing.assert_array_equal(on_gpu, on_cpu)


@pytest.mark.parametrize(
    ("loss", "rough"),
    [
        ("{kind: kd, temperature: 4}", "`kd`"),
        ("{kind: kd, temperature: 1}", None),
        ("{kind: kd, temperature: 1, weight: 1, standardize: true}", "`kd`"),
        ("{kind: hard}", None),
        ("{kind: sum, terms: [{loss: dkd}, {loss: {kind: nkd}}, {loss: labels}]}", "`dkd`"),
    ],
)
def test_what_is_approximate_on_short_outputs_is_noted(
    project: Path, loss: str, rough: str | None
) -> None:
    def notes(*overrides: str) -> tuple[str, ...]:
        overrides = (f"distill.loss={loss}", *overrides)
        loaded = load_recipe(project / "recipe.yaml", overrides=overrides)
        return output_notes(prepare(loaded, cache=project.parent / "cache"))

    short = "distill.stored={top_k: 2}"
    assert notes() == ()
    assert notes(short, "distill.reuse_teacher_outputs=false") == ()
    if rough is None:
        assert notes(short) == ()
    else:
        (said,) = notes(short)
        assert f"what {rough} learnt of the rest is approximate" in said
