"""From a run of teacher.yaml to the two small files beside it: python ship_teacher.py RUN"""

from __future__ import annotations

import sys
from pathlib import Path

from model import HERE, WEIGHTS_SHA256, untuned

from compress.students.text.changes import save_changes
from exporters.atomic import sha256_file, write_json
from exporters.weights import load_into, load_weights


def main(run: str) -> None:
    base, tuned = untuned(), untuned()
    load_into(tuned, load_weights(Path(run) / "student.safetensors"))
    path = HERE / "teacher.safetensors"
    names = save_changes(base, tuned, path)
    digests = {"base_sha256": WEIGHTS_SHA256, "changes_sha256": sha256_file(path)}
    write_json(HERE / "teacher.json", digests)
    print(f"{len(names)} tensors, {path.stat().st_size:,} bytes")


if __name__ == "__main__":
    main(sys.argv[1])
