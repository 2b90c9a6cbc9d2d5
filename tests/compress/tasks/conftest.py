"""Where the real Fashion-MNIST is, for the tests that need it."""

from __future__ import annotations

import os
from pathlib import Path

import platformdirs
import pytest

from compress.tasks.fashion import CONTENTS, DEBIAN_FOLDER


@pytest.fixture
def fashion_folder() -> Path:
    """DISTIL_DATA, Debian's folder, or what an earlier run fetched; skips where none holds it."""
    named = [Path(os.environ[key]) for key in ("DISTIL_DATA",) if os.environ.get(key)]
    caches = [
        Path(os.environ["DISTIL_CACHE"]) if os.environ.get("DISTIL_CACHE") else None,
        Path(__file__).parents[3] / ".distil",
        platformdirs.user_cache_path("distil"),
    ]
    kept = [cache / "data" / "fashion-mnist" for cache in caches if cache is not None]
    for place in [*named, *(n / "fashion-mnist" for n in named), DEBIAN_FOLDER, *kept]:
        if all((place / f"{name}.gz").is_file() for name in CONTENTS):
            return place
    pytest.skip("Fashion-MNIST is not here: run `make demo` once, or set DISTIL_DATA")
