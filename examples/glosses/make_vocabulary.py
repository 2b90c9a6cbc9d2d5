"""The tokens that the training definitions use, in vocabulary.npy: python make_vocabulary.py

Of the training split of recipe.yaml alone: what only validation or test uses stays unknown.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np

from compress.recipe.load import load_recipe
from compress.tasks.build import build_task

HERE = Path(__file__).resolve().parent


def main() -> None:
    recipe = load_recipe(HERE / "recipe.yaml").recipe
    with tempfile.TemporaryDirectory() as cache:
        task = build_task(
            recipe.task, folder=HERE, seed=recipe.seed, cache=Path(cache), data_folder=None
        )
    used = np.unique(task.train.inputs)
    path = HERE / "vocabulary.npy"
    same = path.is_file() and np.array_equal(np.load(path, allow_pickle=False), used)
    np.save(path, used)
    print(f"{len(used):,} tokens, {'as before' if same else 'changed'}")


if __name__ == "__main__":
    main()
