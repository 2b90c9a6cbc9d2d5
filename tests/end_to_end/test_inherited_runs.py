"""`student: {kind: pruned}` and `{kind: truncated}`: from a teacher to a verified smaller file."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from compress.errors import InputError
from compress.pipeline.graph import run_stages
from compress.pipeline.inheriting import inheritance_stages, with_inherited
from compress.pipeline.run import plan, prepare, run
from compress.pipeline.stages.exporting import export_stages
from compress.pipeline.stages.student import student_stage
from compress.pipeline.stages.teacher import teacher_stages
from compress.pipeline.stages.training import training_stages
from compress.pipeline.verify import verify_run
from compress.prune.saved import read_plan, rebuilt
from compress.recipe.load import load_recipe
from compress.recipe.targets import load_target
from compress.store.store import open_store
from compress.students.build import build_student
from exporters.run import run_batches
from exporters.session import open_session
from exporters.weights import load_into, load_weights

PRUNED = "student={kind: pruned, macs: 50%, round_to: 8}"
FAST = ("distill.views=1", "distill.epochs=3", "slices=none", "quantize={kind: none}")


@pytest.mark.slow
def test_a_pruned_student_starts_from_its_teacher_and_is_shipped(
    shapes: Path, tmp_path: Path
) -> None:
    cache = tmp_path / "cache"
    result = run(
        shapes / "recipe.yaml", out=tmp_path / "run", cache=cache, overrides=(PRUNED, *FAST)
    )
    report = result.report
    assert {verdict.budget: verdict.status for verdict in report.verdicts}["accuracy"] == "pass"
    assert report.history is not None
    # 32 and 64 channels become 24 and 40: 49 % of the products, where 24 and 48 keep 58 %.
    assert report.history.parameters == 9 * 24 + 48 + 24 * 40 * 9 + 80 + 40 * 16 * 3 + 3
    assert verify_run(tmp_path / "run") == ()

    # Without the teacher's weights: the factory, the plan and the student's own weights.
    kept = read_plan(tmp_path / "run" / "student.plan.json")
    student = rebuilt(load_target("project.py:teacher", shapes)(), kept)
    load_into(student, load_weights(tmp_path / "run" / "student.safetensors"))
    images = np.random.default_rng(0).random((5, 1, 16, 16)).astype(np.float32)
    with torch.no_grad():
        expected = student.eval()(torch.from_numpy(images)).numpy()
    session = open_session(tmp_path / "run" / "student.onnx")
    np.testing.assert_allclose(run_batches(session, images, batch=5), expected, atol=1e-3)

    # Everything is found again, wherever the store lies.
    shutil.move(cache, tmp_path / "elsewhere")
    planned = plan(shapes / "recipe.yaml", cache=tmp_path / "elsewhere", overrides=(PRUNED, *FAST))
    assert [stage.stage for stage in planned if not stage.hit] == []
    assert planned[0].stage == "prune"
    other = plan(
        shapes / "recipe.yaml",
        cache=tmp_path / "elsewhere",
        overrides=("student={kind: pruned, macs: 30%, round_to: 8}", *FAST),
    )
    assert [(stage.stage, stage.hit) for stage in other] == [("prune", False)]


@pytest.fixture(scope="module")
def hugging_face(shapes: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project with a teacher of the transformers library, trained for a moment."""
    transformers = pytest.importorskip("transformers")
    folder = tmp_path_factory.mktemp("hugging") / "project"
    shutil.copytree(shapes, folder)
    torch.manual_seed(0)
    config = transformers.ResNetConfig(
        num_channels=1,
        embedding_size=16,
        hidden_sizes=[16, 32],
        depths=[3, 2],
        layer_type="basic",
        downsample_in_first_stage=False,
        num_labels=3,
    )
    model = transformers.ResNetForImageClassification(config).train()
    images, labels = load_target("project.py:data", folder)().train
    steps = torch.optim.AdamW(model.parameters(), lr=3e-3)
    for epoch in range(3):
        order = torch.from_numpy(np.random.default_rng(epoch).permutation(len(labels)))
        for rows in order.split(64):
            given = torch.from_numpy(images[rows]).float() / 255
            wanted = torch.from_numpy(labels[rows])
            loss = nn.functional.cross_entropy(model(given).logits, wanted)
            steps.zero_grad()
            loss.backward()
            steps.step()
    model.save_pretrained(folder / "teacher")
    return folder


@pytest.mark.parametrize(
    "student",
    [
        "{kind: truncated, layers: 3, by: importance}",
        "{kind: pruned, ratio: 50%, importance: taylor, round_to: auto}",
    ],
)
@pytest.mark.slow
def test_a_teacher_of_the_transformers_library_gives_its_layers(
    hugging_face: Path, tmp_path: Path, student: str
) -> None:
    loaded = load_recipe(
        hugging_face / "recipe.yaml",
        overrides=(
            f"student={student}",
            "teacher={kind: transformers, path: teacher}",
            *FAST,
            "distill.epochs=1",
        ),
    )
    with open_store(tmp_path / "cache") as store:
        context = prepare(loaded, cache=store.root)
        cut = run_stages(inheritance_stages(context), store=store, on_event=lambda event: None)
        context = with_inherited(context, cut)
        begun = build_student(context.recipe.student, folder=hugging_face, seed=0)
        stages = (*teacher_stages(context), *training_stages(context), *export_stages(context))
        done = run_stages(
            (student_stage(context), *stages), store=store, on_event=lambda event: None
        )
        facts = cut["prune"].json("facts.json")
        inherited = load_weights(cut["prune"].files["weights.safetensors"])
        trained = load_weights(done["train"].files["weights.safetensors"])
        history = done["train"].entry.meta["history"]
    weights = load_weights(hugging_face / "teacher" / "model.safetensors")
    names = [name for name in weights if "running" not in name and "num_batches" not in name]
    before, after = facts["parameters"]
    assert before == sum(weights[name].numel() for name in names)
    assert after < 0.75 * before
    assert isinstance(history, dict)
    assert history["parameters"] == after
    assert history["macs"] == facts["macs"][1] < facts["macs"][0]
    # It begins with the teacher's weights, and goes on from there.
    assert all(torch.equal(begun.state_dict()[name], inherited[name]) for name in inherited)
    head = "model.classifier.1.bias"
    assert torch.equal(inherited[head], weights[head.removeprefix("model.")])
    assert {name: t.shape for name, t in trained.items()} == {
        name: t.shape for name, t in inherited.items()
    }
    assert not torch.equal(trained[head], inherited[head])
    assert ("channel-block" in cut) == ("auto" in student)


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (("student={kind: pruned}",), "wants one of macs and ratio"),
        (("student={kind: pruned, macs: 0%}",), "is not above 0"),
        (("student={kind: pruned, ratio: 100%}",), "is not below 100%"),
        (
            (PRUNED, "teacher={kind: onnx, path: teacher.onnx}"),
            "a teacher of kind onnx has no layers",
        ),
        (("student={kind: truncated, layers: 2}",), "has no list of blocks of one shape"),
        (("student={kind: pruned, macs: 1%, round_to: 32}",), "can't be pruned to that"),
    ],
)
def test_what_cant_be_inherited_is_said_before_anything_is_trained(
    shapes: Path, tmp_path: Path, overrides: tuple[str, ...], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        run(shapes / "recipe.yaml", out=tmp_path / "run", cache=tmp_path / "c", overrides=overrides)
