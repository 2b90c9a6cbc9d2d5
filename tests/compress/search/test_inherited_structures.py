"""Parts of a teacher as structures that a search grows."""

from __future__ import annotations

from compress.search.inherited import inherited_structures
from compress.search.predict import TABLE, Operator
from compress.search.space import FLOAT, space_for

WHOLE = (
    Operator(kind=TABLE, macs=0, outputs=0, parameters=9000),
    Operator(kind="linear", macs=4000, outputs=100, parameters=4000),
    Operator(kind="linear", macs=1000, outputs=20, parameters=1000),
)


def test_a_teacher_of_blocks_gives_fewer_blocks_and_narrower_ones() -> None:
    fewer, narrow, both = inherited_structures(WHOLE, blocks=6, least=1, prunable=True)
    assert fewer.widths == (1, 2, 3, 4, 5, 6)
    assert fewer.student(2).model_dump(exclude_defaults=True) == {"kind": "truncated", "layers": 2}
    assert fewer.words(2) == "teacher, 2 of 6 blocks"
    cut = narrow.student(24).model_dump(exclude_defaults=True)
    assert cut == {"kind": "pruned", "ratio": "76%", "round_to": 8}
    assert narrow.words(24) == "narrower teacher, 24% of its channels"
    assert both.student(24).layers == 3
    assert both.words(24) == "narrower teacher, 3 of 6 blocks, 24% of its channels"
    assert len({one.name for one in (fewer, narrow, both)}) == 3


def test_what_a_teacher_does_not_allow_is_no_structure() -> None:
    assert inherited_structures(WHOLE, blocks=0, least=0, prunable=False) == ()
    (narrow,) = inherited_structures(WHOLE, blocks=0, least=0, prunable=True)
    assert narrow.student(30).layers is None
    (fewer,) = inherited_structures(WHOLE, blocks=4, least=3, prunable=False)
    assert fewer.widths == (3, 4)
    kept = inherited_structures(WHOLE, blocks=3, least=3, prunable=False)
    assert kept == ()


def test_predicted_operators_shrink_with_the_part_and_tables_stay() -> None:
    fewer, narrow, both = inherited_structures(WHOLE, blocks=4, least=1, prunable=True)
    assert fewer.operators_at(4) == WHOLE
    for structure in (fewer, narrow, both):
        macs = [sum(o.macs for o in structure.operators_at(w)) for w in structure.widths]
        assert macs == sorted(macs)
        assert {structure.operators_at(w)[0] for w in structure.widths} == {WHOLE[0]}
    assert [o.macs for o in narrow.operators_at(50)] == [0, 1000, 250]
    assert [o.outputs for o in narrow.operators_at(50)] == [0, 50, 10]
    assert [o.macs for o in both.operators_at(50)] == [0, 500, 125]


def test_parts_come_first_for_texts_and_after_three_families_for_images() -> None:
    parts = inherited_structures(WHOLE, blocks=6, least=1, prunable=True)
    texts = space_for("texts", schemes=("dynamic", FLOAT), inherited=parts)
    assert texts.structures[:3] == parts
    images = space_for("images", side=28, schemes=("int8", FLOAT), inherited=parts)
    assert images.structures[3:6] == parts
    assert space_for("images", side=28, schemes=(FLOAT,)).structures[3].family != "truncated"
    names = [one.name for one in images.structures]
    assert len(set(names)) == len(names)
