"""Have Fashion-MNIST in the repository's cache, for the tests that look at real images.

Run with the project's own Python; nothing happens when it is there already.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from compress.tasks.fashion import load_fashion
from exporters.errors import DistilError

ROOT = Path(__file__).resolve().parent.parent


def main() -> int:
    folder = os.environ.get("DISTIL_DATA")
    cache = Path(os.environ.get("DISTIL_CACHE") or ROOT / ".distil")
    try:
        load_fashion(folder=Path(folder) if folder else None, cache=cache)
    except DistilError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
