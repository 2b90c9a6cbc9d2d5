"""Where a study may lie, and who shares it."""

from __future__ import annotations

from pathlib import Path

import pytest

from compress.errors import InputError
from compress.pipeline.study import study_name, study_place


def test_a_study_is_a_file_of_the_run_or_what_is_named(tmp_path: Path) -> None:
    work = tmp_path / "work"
    base = "postgresql://me@db.local/studies"
    assert study_place(None, folder=tmp_path, work=work) == str(work / "study.journal")
    assert study_place("own", folder=tmp_path, work=work) == str(tmp_path / "own")
    assert study_place(base, folder=tmp_path, work=work) == base


@pytest.mark.parametrize(
    ("named", "said"),
    [
        ("sqlite:///study.db", "no study"),
        ("postgresql://me:secret@host/base", "password"),
        ("no/such/folder/study.db", "no study"),
        (".", "no study"),
    ],
)
def test_what_can_be_no_study_is_refused(named: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=said) as refused:
        study_place(named, folder=tmp_path, work=tmp_path)
    assert "secret" not in str(refused.value)


def test_runs_share_a_study_where_all_that_decides_is_the_same() -> None:
    assert study_name("fashion", {"seed": 1}) == study_name("fashion", {"seed": 1})
    assert study_name("fashion", {"seed": 1}) != study_name("fashion", {"seed": 2})
    assert study_name("fashion", {"seed": 1}).startswith("fashion ")
