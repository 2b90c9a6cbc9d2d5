"""A project of the toy teachers' images in a folder of its own, for stages that run on it."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

TEACHERS = Path(__file__).parents[1] / "teachers"
sys.path.insert(0, str(TEACHERS))


def toy_project(folder: Path, code: str, recipe: str) -> Path:
    """Make the folder with toy.py, project.py and recipe.yaml in it."""
    folder.mkdir()
    shutil.copy(TEACHERS / "toy.py", folder)
    # Two users' modules with one content are one; each test has its own, with its own count.
    (folder / "project.py").write_text(f"# {folder}\n{code}")
    (folder / "recipe.yaml").write_text(recipe)
    return folder
