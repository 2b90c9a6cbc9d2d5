"""What git holds stays small: everyone who clones it waits for it."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def sizes_bytes() -> dict[str, int]:
    """Of the files that git lists, by name; skips where this is no checkout."""
    git = shutil.which("git")
    listed = b""
    if git is not None:
        command = [git, "ls-files", "-z"]
        listed = subprocess.run(command, cwd=ROOT, capture_output=True, check=False).stdout
    names = [name for name in listed.decode().split("\0") if (ROOT / name).is_file()]
    if not names:
        pytest.skip("this is no git checkout")
    return {name: (ROOT / name).stat().st_size for name in names}


def test_no_file_is_above_10_megabytes(sizes_bytes: dict[str, int]) -> None:
    assert len(sizes_bytes) > 500
    assert {name: size for name, size in sizes_bytes.items() if size > 10_000_000} == {}


def test_the_tuned_teacher_of_the_glosses_is_at_most_8_megabytes(
    sizes_bytes: dict[str, int],
) -> None:
    assert 1_000_000 < sizes_bytes["examples/glosses/teacher.safetensors"] <= 8_000_000
