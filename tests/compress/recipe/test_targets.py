"""Targets: the user's own code beside the recipe, and what happens when it fails."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from compress.errors import InputError
from compress.recipe.targets import load_target, target_digest


def project(folder: Path, **files: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / f"{name}.py").write_text(text, encoding="utf-8")
    return folder


def test_a_target_imports_its_neighbours_when_loaded_and_when_called(tmp_path: Path) -> None:
    folder = project(
        tmp_path,
        model="import blocks_a\ndef f():\n    import late_a\n    return blocks_a.x + late_a.y",
        blocks_a="x = 1",
        late_a="y = 2",
    )
    before = list(sys.path)
    assert load_target("model.py:f", folder)() == 3
    assert sys.path == before
    assert not any(type(finder).__name__ == "_Beside" for finder in sys.meta_path)


def test_two_recipes_keep_their_own_model_and_neighbours(tmp_path: Path) -> None:
    text = "import blocks_b\ndef f():\n    import late_b\n    return blocks_b.x, late_b.x"
    a = project(tmp_path / "a", model=text, blocks_b="x = 'a'", late_b="x = 'late a'")
    b = project(tmp_path / "b", model=text, blocks_b="x = 'b'", late_b="x = 'late b'")
    of_a, of_b = load_target("model.py:f", a), load_target("model.py:f", b)
    for _ in range(2):
        assert of_a() == ("a", "late a")
        assert of_b() == ("b", "late b")


def test_a_neighbour_hides_neither_the_standard_library_nor_this_program(tmp_path: Path) -> None:
    folder = project(
        tmp_path,
        model="import random, compress.values\ndef f():\n    return random.Random(1).random()",
        random="raise RuntimeError",
        compress="raise RuntimeError",
        numpy_like="",
    )
    (folder / "yaml").mkdir()  # a bare folder called like an installed package
    text = "import yaml\ndef f():\n    return yaml.safe_load('1')"
    (folder / "other.py").write_text(text)
    assert 0 < load_target("model.py:f", folder)() < 1
    assert load_target("other.py:f", folder)() == 1


def test_the_same_file_is_loaded_once_and_a_changed_one_again(tmp_path: Path) -> None:
    folder = project(tmp_path, model="class A: pass\ndef f(): return A")
    assert load_target("model.py:f", folder)() is load_target("model.py:f", folder)()
    (folder / "model.py").write_text("def f(): return 'new'")
    assert load_target("model.py:f", folder)() == "new"


def test_a_class_a_method_and_an_installed_function_are_targets(tmp_path: Path) -> None:
    folder = project(tmp_path, model="class A:\n    @staticmethod\n    def make(): return 7")
    assert type(load_target("model.py:A", folder)()).__name__ == "A"
    assert load_target("model.py:A.make", folder)() == 7
    assert load_target("posixpath:join", folder)("a", "b") == "a/b"


@pytest.mark.parametrize(
    ("target", "said"),
    [
        ("model.py", "the target 'model.py' names no function; write `model.py:function`"),
        ("model.py:1f", "names no function"),
        (":f", "names no function"),
        ("modle.py:f", "modle.py: no such file; files there: broken.py, fails.py, model.py"),
        ("model.py:teachr", "model.py: has no 'teachr' (target model.py:teachr); did you mean 'te"),
        ("model.py:number", "'number' is a int and not a function"),
        ("broken.py:f", "broken.py:2: SyntaxError"),
        ("fails.py:f", "fails.py:3: ZeroDivisionError: division by zero (while the target"),
        ("no_such_package.x:f", "no module 'no_such_package.x'; install it, or write"),
        ("model:f", "for the file beside the recipe write model.py:f"),
    ],
)
def test_a_target_that_is_not_there_is_one_line(tmp_path: Path, target: str, said: str) -> None:
    folder = project(
        tmp_path,
        model="number = 3\ndef teacher(): pass",
        broken="x = 1\ndef (",
        fails="def g():\n    import math\n    return 1 / 0\ng()",
    )
    with pytest.raises(InputError) as caught:
        load_target(target, folder)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)
    assert caught.value.exit_code == 2


def test_an_exception_in_the_call_names_the_users_own_line(tmp_path: Path) -> None:
    folder = project(tmp_path, model="import json\ndef f():\n    return json.loads('{')")
    with pytest.raises(InputError, match=r"model.py:3: JSONDecodeError: .*\(while the target"):
        load_target("model.py:f", folder)()


@pytest.mark.parametrize("text", ["import sys\nsys.exit(0)", "def f():\n    raise SystemExit(3)"])
def test_a_target_that_leaves_the_program_is_an_error(tmp_path: Path, text: str) -> None:
    folder = project(tmp_path, script=text)
    with pytest.raises(InputError, match=r"script.py:2: SystemExit: [03] \(while the target"):
        load_target("script.py:f", folder)()


def test_a_folder_whose_name_is_not_utf8_gives_code_a_name_that_is(tmp_path: Path) -> None:
    folder = project(tmp_path / os.fsdecode(b"caf\xe9"), model="def f():\n    return 1 / 0")
    function = load_target("model.py:f", folder)
    with pytest.raises(InputError, match=r"caf\\xe9/model.py:2: ZeroDivisionError") as caught:
        function()
    assert str(caught.value).encode("utf-8")


def test_a_module_that_failed_is_tried_again(tmp_path: Path) -> None:
    folder = project(tmp_path, model="import helper_c\ndef f(): return helper_c.x")
    with pytest.raises(InputError, match="No module named 'helper_c'"):
        load_target("model.py:f", folder)
    project(folder, helper_c="x = 5")
    assert load_target("model.py:f", folder)() == 5


def test_the_digest_follows_neighbours_and_nothing_else(tmp_path: Path) -> None:
    files = {
        "model": "def f():\n    from blocks_d import x",
        "blocks_d": "import deep_d",
        "deep_d": "x = 1",
        "stranger": "1",
    }
    folder = project(tmp_path / "a", **files)
    digest = target_digest("model.py:f", folder)
    assert digest == target_digest("model.py:f", project(tmp_path / "b", **files))
    (folder / "stranger.py").write_text("2")
    assert target_digest("model.py:f", folder) == digest
    assert target_digest("model.py:g", folder) != digest
    (folder / "deep_d.py").write_text("x = 2")
    assert target_digest("model.py:f", folder) != digest


def test_the_digest_follows_files_that_the_source_names(tmp_path: Path) -> None:
    """Weights that a target loads by itself: tuned anew, they once left the stored outputs."""
    text = (
        'HERE = "x"\n\n\ndef net():\n    return open("weights.bin"), "../a.bin", "b.py", "\\0.a"\n'
    )
    (tmp_path / "model.py").write_text(text)
    (tmp_path / "other.bin").write_bytes(b"1")
    absent = target_digest("model.py:net", tmp_path)
    (tmp_path / "weights.bin").write_bytes(b"1")
    there = target_digest("model.py:net", tmp_path)
    (tmp_path / "other.bin").write_bytes(b"2")
    (tmp_path / "b.py").write_text("")
    assert target_digest("model.py:net", tmp_path) == there != absent
    (tmp_path / "weights.bin").write_bytes(b"2")
    assert target_digest("model.py:net", tmp_path) not in {there, absent}


def test_the_digest_covers_a_package_and_an_installed_module(tmp_path: Path) -> None:
    folder = project(tmp_path, model="import parts_e.a\ndef f(): pass")
    project(folder / "parts_e", a="1", b="2")
    digest = target_digest("model.py:f", folder)
    (folder / "parts_e" / "b.py").write_text("3")
    assert target_digest("model.py:f", folder) != digest
    assert len(target_digest("yaml:safe_load", folder)) == 64
    with pytest.raises(InputError, match="no module 'no_such_package'"):
        target_digest("no_such_package:f", folder)
