"""Recipes: what loads, and the one line that a mistake gets."""

from __future__ import annotations

from pathlib import Path

import pytest

from compress.errors import InputError, RecipeError
from compress.recipe.load import load_recipe, recipe_digest
from compress.recipe.nodes import ImageArraysTask, KdLoss, LabelsLoss, Recipe, StaticQuantize

RECIPE = """\
schema: 1
name: fashion
task: {kind: image-arrays, source: fashion-mnist}
teacher: {kind: torch, target: "model.py:teacher", weights: teacher.safetensors}
student: {kind: python, target: "model.py:student"}
distill: {loss: {kind: kd, temperature: 4, weight: 0.9}, epochs: 12, weight_decay: 1e-3}
quantize: {kind: auto}
bench: {devices: [cpu], batch: [1, 32], threads: [1]}
budgets:
  - {id: accuracy, metric: accuracy, vs: teacher, max_drop: 3.5pp}
  - {id: speed, metric: latency.p50, on: cpu, batch: 1, vs: teacher, min_speedup: 8x}
  - {id: size, metric: file_bytes, max: 300KiB}
"""


def write(folder: Path, text: str, name: str = "recipe.yaml") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def test_the_recipe_of_the_product_page_loads(tmp_path: Path) -> None:
    loaded = load_recipe(write(tmp_path, RECIPE))
    recipe = loaded.recipe
    assert isinstance(recipe.task, ImageArraysTask)
    assert isinstance(recipe.distill.loss, KdLoss)
    assert recipe.distill.weight_decay == 0.001
    assert isinstance(recipe.quantize, StaticQuantize)
    assert recipe.quantize.max_drop == 0.005
    assert recipe.budgets[0].max_drop == 0.035
    assert recipe.budgets[1].min_speedup == 8.0
    assert recipe.budgets[2].max == "300KiB"
    assert loaded.folder == tmp_path
    assert loaded.text == RECIPE
    assert len(loaded.digest) == 64


EXAMPLES = Path(__file__).resolve().parents[3] / "examples"


@pytest.mark.parametrize(
    "path", sorted(EXAMPLES.glob("*/*.yaml")), ids=lambda path: f"{path.parent.name}/{path.name}"
)
def test_every_recipe_of_the_examples_loads(path: Path) -> None:
    assert load_recipe(path).recipe.name.startswith(path.parent.name)


def test_the_study_keeps_settings_of_its_own() -> None:
    """It once shared the demo's recipe, whose optimizer changed under its learning rates."""
    recipe = load_recipe(EXAMPLES / "fashion" / "study.yaml").recipe
    assert isinstance(recipe.task, ImageArraysTask)
    assert (recipe.distill.optimizer, recipe.distill.learning_rate) == ("sgd", 0.15)
    assert recipe.distill.epochs == recipe.distill.views == 6
    assert (recipe.task.augment.crop, recipe.task.augment.flip) == (2, True)


def test_a_byte_order_mark_is_tolerated(tmp_path: Path) -> None:
    path = tmp_path / "recipe.yaml"
    path.write_bytes(b"\xef\xbb\xbf" + RECIPE.encode())
    assert load_recipe(path).recipe.name == "fashion"


def test_the_digest_is_of_what_is_said_and_not_of_how(tmp_path: Path) -> None:
    plain = load_recipe(write(tmp_path, RECIPE)).digest
    spaced = RECIPE.replace("epochs: 12,", "epochs:  12 ,").replace("1e-3", "0.001")
    assert load_recipe(write(tmp_path, RECIPE + "# end\nseed: 0\n")).digest == plain
    assert load_recipe(write(tmp_path, spaced + "# end")).digest == plain
    assert load_recipe(write(tmp_path, RECIPE + "seed: 1\n")).digest != plain


def test_a_dumped_recipe_reads_back_equal(tmp_path: Path) -> None:
    recipe = load_recipe(write(tmp_path, RECIPE)).recipe
    again = Recipe.model_validate_json(recipe.model_dump_json(by_alias=True))
    assert again == recipe
    assert Recipe.model_validate(recipe.model_dump(by_alias=True)) == recipe
    assert recipe_digest(again) == recipe_digest(recipe)


def test_a_loss_by_its_kind_alone(tmp_path: Path) -> None:
    text = RECIPE.replace("{kind: kd, temperature: 4, weight: 0.9}", "labels")
    assert isinstance(load_recipe(write(tmp_path, text)).recipe.distill.loss, LabelsLoss)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("epochs: 12", "epoch: 12", ":6:58: distill.epoch: unknown key 'epoch'; did you mean 'ep"),
        ("epochs: 12", 'epochs: "12"', ":6:58: distill.epochs: should be a whole number"),
        ("epochs: 12", "epochs: 0", "distill.epochs: should be greater than or equal to 1"),
        ("epochs: 12", "epochs: 1.5", "distill.epochs: should be a whole number"),
        ("epochs: 12", "reuse_teacher_outputs: on", "should be a valid boolean, and is 'on'"),
        ("epochs: 12", "learning_rate: .inf", "should be a valid number, and is '.inf'"),
        ("epochs: 12", "learning_rate: 1e999", "should be a finite number"),
        ("epochs: 12", "checkpoint_every: 60", "60 has no unit (us, ms, s, min); write 60s"),
        (
            "image-arrays",
            "video-folder",
            "no kind 'video-folder'; kinds: image-arrays, image-folder",
        ),
        ("kind: image-arrays, ", "", ":3:1: task: needs a `kind`; kinds: image-arrays"),
        ("kind: python", "kind: own", "student.kind: no kind 'own'; kinds: python, factory"),
        (
            "kind: kd, temp",
            "kind: kdd, temp",
            "did you mean 'kd'?",
        ),
        ("source: fashion-mnist", "channels: 3", "unknown key 'channels'"),
        (", source: fashion-mnist", "", "task: names no data; write `source: fashion-mnist`"),
        ("student:", "studnet:", ":5:1: studnet: unknown key 'studnet'; did you mean 'student'?"),
        ("name: fashion\n", "", ":1:1: name: is missing"),
        ("name: fashion", "name: a b", ":2:1: name: 'a b' is not a name"),
        ("schema: 1", "schema: 2", "`schema: 2` is newer than this program"),
        ("300KiB", "300", ":12:36: budgets[2].max: '300' has no unit"),
        ("300KiB", "300kib", "no unit 'kib'; write 300KiB"),
        ("300KiB", "300GB", "units that fit: B, kB, MB, KiB, MiB"),
        ("300KiB", "-3KiB", "is negative"),
        ("max_drop", "max_incrase", "unknown key 'max_incrase'; did you mean 'max_increase'?"),
        ("vs: teacher, max_drop", "max_drop", "does not fit accuracy without `vs`; it needs `vs: "),
        ("metric: accuracy", "metric: acuracy", "no metric 'acuracy'; did you mean 'accuracy'?"),
        ("3.5pp", "3.5", "write 3.5pp"),
        ("3.5pp", "3.5%", "units that fit: pp"),
        ("8x", "8", "write 8x"),
        (", max: 300KiB", "", "budgets[2].id: has no limit; file_bytes without `vs` takes max"),
        ("max: 300KiB", "max: 300KiB, min: 3B", "has 2 limits (max, min); write one budget"),
        ("id: size", "id: speed", "'speed' comes twice"),
        ("batch: 1,", "batch: 8,", "batch: 8 is not measured; bench.batch is [1, 32]"),
        (
            "latency.p50, on: cpu, batch: 1, vs: teacher, min_speedup: 8x",
            "latency.p95, max: 1ms",
            "needs 16 epochs for a p95, and bench.epochs is 12; write `epochs: 16` in bench",
        ),
        ("[1, 32]", "[1, 1]", "bench.batch: must hold each value once"),
        ("teacher: {kind: torch", "x: {kind: torch", "x: unknown key 'x'"),
        ("{kind: auto}", "[1]", ":7:1: quantize: should be a mapping, and is a list"),
        (
            "{kind: auto}",
            "{kind: auto}\ncontrols: {labels_onl: true}",
            "did you mean 'labels_only'",
        ),
        (
            "{kind: auto}",
            "{kind: auto}\ncontrols: some",
            "controls: 'some' is not one of all, none",
        ),
    ],
)
def test_a_mistake_is_one_line_with_its_place(
    tmp_path: Path, old: str, new: str, said: str
) -> None:
    assert old in RECIPE
    path = write(tmp_path, RECIPE.replace(old, new, 1))
    with pytest.raises(RecipeError) as caught:
        load_recipe(path)
    message = str(caught.value)
    assert said in message
    assert message.startswith(f"{path}:")
    assert "\n" not in message
    assert caught.value.exit_code == 2


def test_recordings_are_not_read_inside_the_file(tmp_path: Path) -> None:
    task = "{kind: audio-folder, data: clips}\nexport: {preprocess: inside}"
    text = RECIPE.replace("{kind: image-arrays, source: fashion-mnist}", task)
    with pytest.raises(RecipeError, match=r":4:\d+: export.preprocess: reading recordings has no"):
        load_recipe(write(tmp_path, text))


def test_a_budget_against_a_teacher_needs_one(tmp_path: Path) -> None:
    lines = [line for line in RECIPE.splitlines() if not line.startswith("teacher")]
    text = "\n".join(lines)
    with pytest.raises(RecipeError, match=r"distill.loss.kind: kd needs a teacher"):
        load_recipe(write(tmp_path, text))
    labels = text.replace("{kind: kd, temperature: 4, weight: 0.9}", "labels")
    with pytest.raises(RecipeError, match=r"budgets\[0\].vs: this recipe has no teacher"):
        load_recipe(write(tmp_path, labels))


def test_a_budget_against_a_pinned_baseline_has_its_place_in_a_gate_file(tmp_path: Path) -> None:
    path = write(tmp_path, RECIPE)
    budget = "[{id: creep, metric: params, vs: pinned, max_increase: 40%}]"
    with pytest.raises(RecipeError, match=r"budgets\[0\].vs: a run has no pinned") as refused:
        load_recipe(path, overrides=[f"budgets={budget}"])
    assert "gate file" in (refused.value.cure or "")


def test_overrides_are_typed_and_may_name_list_elements_by_id(tmp_path: Path) -> None:
    path = write(tmp_path, RECIPE)
    overrides = ["distill.epochs=3", "budgets.speed.min_speedup=2x", "quantize.kind=none"]
    loaded = load_recipe(path, overrides=[*overrides, "export.opset=18", "bench.batch=[1]"])
    assert loaded.recipe.distill.epochs == 3
    assert loaded.recipe.budgets[1].min_speedup == 2.0
    assert loaded.recipe.quantize.kind == "none"
    assert loaded.recipe.export.opset == 18
    assert loaded.recipe.bench.batch == (1,)
    assert loaded.digest != load_recipe(path).digest


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("distill.epoch=3", "--set distill.epoch=3: distill.epoch: unknown key 'epoch'; did you"),
        ("distill.epochs=abc", "distill.epochs: should be a whole number, and is 'abc'"),
        ("budgets.speed.min_speedup=8", "8 has no unit (x); write 8x"),
        ("budgets.sped.min_speedup=8x", "no element 'sped'; elements: accuracy, speed, size"),
        ("budgets.7.max=1B", "no element '7'"),
        ("name.x=1", "name is a single value and has no 'x'"),
        ("epochs", "is not `key.path=value`; such as distill.epochs=3"),
        ("=3", "is not `key.path=value`"),
        ("name=[1", "--set name=[1"),
        ("name=!!python/name:os.system", "the tag !!python/name:os.system is refused"),
    ],
)
def test_a_wrong_override_is_told_as_one(tmp_path: Path, override: str, said: str) -> None:
    with pytest.raises(InputError) as caught:
        load_recipe(write(tmp_path, RECIPE), overrides=[override])
    assert said in str(caught.value)
    assert str(caught.value).startswith("--set ")


TOML = """\
schema = 1
name = "fashion"
student = {kind = "python", target = "model.py:student"}

[task]
kind = "image-arrays"
source = "fashion-mnist"

[distill]
loss = {kind = "labels", smoothing = 0.1}
weight_decay = 1e-3

[[budgets]]
id = "size"
metric = "file_bytes"
max = "300KiB"
"""


def test_toml_is_the_same_recipe(tmp_path: Path) -> None:
    recipe = load_recipe(write(tmp_path, TOML, "recipe.toml")).recipe
    assert recipe.distill.weight_decay == 0.001
    assert recipe.budgets[0].max == "300KiB"


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("weight_decay", "weight_dekay", ":11:1: distill.weight_dekay: unknown key"),
        ("smoothing", "smoothin", ":10:26: distill.loss.smoothin: unknown key"),
        ('"300KiB"', "300", ":16:1: budgets[0].max: '300' has no unit"),
        ("1e-3", "1e-", ":11:"),
        ('source = "fashion-mnist"', 'kind = "python"', ":7:"),
    ],
)
def test_toml_mistakes_have_places_too(tmp_path: Path, old: str, new: str, said: str) -> None:
    with pytest.raises(RecipeError) as caught:
        load_recipe(write(tmp_path, TOML.replace(old, new), "recipe.toml"))
    assert f"recipe.toml{said}" in str(caught.value)


def test_a_missing_file_names_what_is_there(tmp_path: Path) -> None:
    write(tmp_path, RECIPE)
    with pytest.raises(InputError, match=r"recipes.yaml: no such file; files there: recipe.yaml"):
        load_recipe(tmp_path / "recipes.yaml")
    with pytest.raises(InputError, match="does not exist either"):
        load_recipe(tmp_path / "no" / "recipe.yaml")


def test_a_folder_is_no_recipe(tmp_path: Path) -> None:
    write(tmp_path, RECIPE)
    with pytest.raises(
        InputError, match=r"is a folder; name the file in it, such as .*recipe.yaml"
    ):
        load_recipe(tmp_path)
