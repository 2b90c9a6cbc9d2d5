from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from compress.store.index import Entry, Index
from compress.store.keys import StageKey, canonical, explain_change, explain_miss

scalars = (
    st.none()
    | st.booleans()
    | st.integers(min_value=-(2**70), max_value=2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8)
)
values = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3)
    ),
    max_leaves=12,
)
parts = st.dictionaries(st.text(max_size=6), values, min_size=1, max_size=4)


def reversed_order(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: reversed_order(value[name]) for name in reversed(list(value))}
    return [reversed_order(item) for item in value] if isinstance(value, list) else value


def with_one_leaf_changed(value: Any, choose: Any) -> Any:
    """A deep copy in which one leaf, or one empty collection, is something else."""
    changed = copy.deepcopy(value)
    holder, slot = changed, choose(list(changed))
    while isinstance(holder[slot], dict | list) and holder[slot]:
        holder = holder[slot]
        slot = choose(list(holder) if isinstance(holder, dict) else list(range(len(holder))))
    old = holder[slot]
    holder[slot] = old + "x" if isinstance(old, str) else "not " + json.dumps(old)
    return changed


@settings(max_examples=40, deadline=None)
@given(parts)
def test_key_order_does_not_matter(value: dict[str, Any]) -> None:
    assert StageKey("train", value).digest == StageKey("train", reversed_order(value)).digest


@settings(max_examples=40, deadline=None)
@given(parts, st.data())
def test_any_changed_part_changes_the_digest_and_is_named(
    value: dict[str, Any], data: st.DataObject
) -> None:
    changed = with_one_leaf_changed(value, lambda slots: data.draw(st.sampled_from(slots)))
    old, new = StageKey("train", value), StageKey("train", changed)
    assert old.digest != new.digest
    why = explain_change(new, [entry_of(old)])
    assert why not in {"first run", "the stored result is gone"}
    assert " -> " in why
    assert "\n" not in why


@settings(max_examples=40, deadline=None)
@given(parts)
def test_canonical_json_is_read_back_to_the_same_bytes(value: dict[str, Any]) -> None:
    assert canonical(json.loads(canonical(value))) == canonical(value)


def test_the_digest_is_that_of_the_canonical_text() -> None:
    key = StageKey("train", {"b": [1, 2.5, None], "a": {"é": True}})
    text = b'{"parts":{"a":{"\\u00e9":true},"b":[1,2.5,null]},"stage":"train"}'
    assert canonical({"stage": "train", "parts": key.parts}) == text
    # python -c 'import hashlib; print(hashlib.sha256(<text>).hexdigest())'
    assert key.digest == "89f83a87fc477b6e266f04f595299f753a11ca283d7bbf3e5a151fc241a7f37d"


@pytest.mark.parametrize("other", [1.0, True, "1", [1], None])
def test_values_that_compare_equal_in_python_have_keys_of_their_own(other: object) -> None:
    assert StageKey("train", {"a": 1}).digest != StageKey("train", {"a": other}).digest


def test_the_stage_is_part_of_the_key() -> None:
    assert StageKey("train", {"a": 1}).digest != StageKey("export", {"a": 1}).digest


def test_what_is_not_json_is_refused_by_its_place() -> None:
    with pytest.raises(TypeError, match=r"parts\.recipe\[1\]: PosixPath is not JSON"):
        StageKey("train", {"recipe": [1, Path("x")]})
    with pytest.raises(TypeError, match=r"parts\.classes: the key 1 is no string"):
        StageKey("train", {"classes": {1: "a"}})
    with pytest.raises(ValueError, match="not JSON compliant"):
        _ = StageKey("train", {"rate": float("nan")}).digest


def test_a_key_does_not_change_with_what_it_was_made_from() -> None:
    recipe = {"epochs": 10}
    key = StageKey("train", {"recipe": recipe})
    before = key.digest
    recipe["epochs"] = 12
    assert key.digest == before


def test_a_miss_names_the_parts_that_changed() -> None:
    old = {"recipe": {"distill": {"epochs": 10, "batch": 256}}, "versions": {"torch": "2.12"}}
    new = {"recipe": {"distill": {"epochs": 12, "batch": 256}}, "versions": {"torch": "2.13"}}
    why = explain_change(StageKey("train", new), [entry_of(StageKey("train", old))])
    assert why == "recipe.distill.epochs: 10 -> 12, versions.torch: 2.12 -> 2.13"


def test_a_miss_is_explained_against_the_nearest_entry_and_then_the_newest() -> None:
    far = entry_of(StageKey("train", {"a": 1, "b": 1, "c": 1}), created_at="2026-03-01")
    near = entry_of(StageKey("train", {"a": 1, "b": 2, "c": 3}), created_at="2026-01-01")
    newer = entry_of(StageKey("train", {"a": 2, "b": 3, "c": 3}), created_at="2026-02-01")
    other = entry_of(StageKey("export", {"a": 1, "b": 3, "c": 3}))
    key = StageKey("train", {"a": 1, "b": 3, "c": 3})
    assert explain_change(key, [far, near, newer, other]) == "a: 2 -> 1"
    assert explain_change(key, [far, near]) == "b: 2 -> 3"


def test_a_miss_shows_absent_parts_lists_digests_and_no_more_than_three_changes() -> None:
    old = {"bench": {"batch": [1, 32]}, "input": "a" * 64, "x": 1, "y": 1}
    new = {"bench": {"batch": [1, 64, 128]}, "input": "b" * 64, "x": 2, "y": 2}
    why = explain_change(StageKey("bench", new), [entry_of(StageKey("bench", old))])
    assert why == (
        "bench.batch[1]: 32 -> 64, bench.batch[2]: absent -> 128, "
        "input: aaaaaaaaaaaa -> bbbbbbbbbbbb, and 2 more"
    )


def test_a_part_with_hostile_text_stays_on_one_short_line() -> None:
    old, new = {"text": "a\n\x1b[31m"}, {"text": "b" * 500}
    why = explain_change(StageKey("s", new), [entry_of(StageKey("s", old))])
    assert why == "text: a\\n\\x1b[31m -> " + "b" * 37 + "..."


def test_without_an_earlier_entry_it_is_the_first_run(tmp_path: Path) -> None:
    assert explain_miss(StageKey("train", {"a": 1}), Index(tmp_path)) == "first run"


def entry_of(key: StageKey, *, created_at: str = "2026-01-01") -> Entry:
    return Entry(
        key=key.digest, stage=key.stage, parts=key.parts, files={}, created_at=created_at, seconds=1
    )
