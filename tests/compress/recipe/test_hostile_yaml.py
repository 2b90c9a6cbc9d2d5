"""Text that is meant to break or to run something: refused with its place, and at once."""

from __future__ import annotations

from pathlib import Path

import pytest

from compress.errors import InputError, RecipeError
from compress.recipe.document import MAX_BYTES, parse_yaml, read_document


def parse(text: str) -> object:
    value, _ = parse_yaml(text, name="r.yaml")
    return value


def test_scalars_are_those_of_yaml_1_2() -> None:
    text = "[1e-3, 1, -2, 0x10, 0o17, on, yes, No, true, null, ~, 1:30, 012, 2026-1-1, .5, '1']"
    value = parse(text)
    assert value == [
        1e-3, 1, -2, 16, 15, "on", "yes", "No", True, None, None, "1:30", 12, "2026-1-1", 0.5, "1",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "a: !!python/object/apply:os.system [touch pwned]",
            "r.yaml:1:4: the tag !!python/object/",
        ),
        ("a: !!python/name:os.system x", "is refused; write the plain value"),
        ("a: !!binary aGk=", "the tag !!binary is refused"),
        ("a: !custom 1", "the tag !custom is refused"),
        ("!!set {a}", "the tag !!set is refused"),
        ("a: 1\nb: 2\na: 3", "r.yaml:3:1: the key 'a' is already on line 1"),
        ("x: {b: 1, b: 2}", "r.yaml:1:11: the key 'b' is already on line 1"),
        ("a:\n\t- 1", "r.yaml:2:1: a tab indents this line; use spaces"),
        ("a: 1\n---\nb: 2", "r.yaml:2:1: a second document begins"),
        ("a: &a [*a]", "no finished value is called &a"),
        ("a: *nowhere", "nowhere"),
        ("{[1]: 2}", "a key must be plain text"),
        ("a: [1", "r.yaml:"),
        ("a: 'x", "r.yaml:"),
        ("a: \x00", "r.yaml"),
        ("a: 1\n b: 2", "r.yaml:2:"),
    ],
)
def test_what_is_no_plain_yaml_is_refused_with_its_place(text: str, said: str) -> None:
    with pytest.raises(RecipeError) as caught:
        parse(text)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_nothing_is_run_by_a_tag(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(RecipeError):
        parse("!!python/object/apply:os.system ['touch pwned']")
    assert not (tmp_path / "pwned").exists()


def test_nesting_is_bounded() -> None:
    assert parse("[" * 50 + "]" * 50) is not None
    for depth in (51, 900, 100_000):
        with pytest.raises(RecipeError, match="nest"):
            parse("[" * depth + "]" * depth)
    with pytest.raises(RecipeError, match="nested deeper than 50"):
        parse("\n".join([f"{' ' * n}a:" for n in range(60)]))


def test_nesting_through_aliases_counts() -> None:
    chain = ["a0: &a0 " + "[" * 30 + "]" * 30, "a1: &a1 " + "[" * 30 + "*a0" + "]" * 30]
    with pytest.raises(RecipeError, match="nested deeper than 50"):
        parse("\n".join(chain))


def test_aliases_are_bounded() -> None:
    few = "a: &a 1\nb: [" + ", ".join(["*a"] * 100) + "]"
    assert parse(few) == {"a": 1, "b": [1] * 100}
    with pytest.raises(RecipeError, match="more than 100 aliases"):
        parse(few.replace("[*a", "[*a, *a"))


def test_billion_laughs_below_the_number_of_aliases_is_bounded_by_what_it_expands_to() -> None:
    lines = ["a0: &a0 [lol, lol, lol, lol, lol, lol, lol, lol, lol]"]
    for level in range(1, 10):
        inner = ", ".join([f"*a{level - 1}"] * 9)
        lines.append(f"a{level}: &a{level} [{inner}]")
    with pytest.raises(RecipeError, match="holds more than 100000 values"):
        parse("\n".join(lines))


def test_five_megabytes_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "recipe.yaml"
    path.write_bytes(b"# " + b"x" * 5 * MAX_BYTES)
    with pytest.raises(InputError, match="larger than 1 MiB"):
        read_document(path)


def test_other_encodings_name_the_line(tmp_path: Path) -> None:
    path = tmp_path / "recipe.yaml"
    path.write_bytes(b"schema: 1\nname: caf\xe9\n")
    with pytest.raises(RecipeError, match=r"recipe.yaml:2: is not UTF-8 text; save the file as"):
        read_document(path)


def test_a_path_that_can_not_be_one(tmp_path: Path) -> None:
    with pytest.raises(InputError):
        read_document(tmp_path / ("x" * 5000))
    with pytest.raises(InputError):
        read_document(Path("a\0b"))


def test_deep_toml_is_an_error_and_no_crash(tmp_path: Path) -> None:
    path = tmp_path / "recipe.toml"
    path.write_text("a = " + "[" * 100_000)
    with pytest.raises(InputError):
        read_document(path)
