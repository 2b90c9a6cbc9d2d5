"""A process of its own, where NNCF is found: spec.json names the files. Imports nothing of ours."""

from __future__ import annotations

import json
import sys
from pathlib import Path


def main(spec: Path) -> None:
    """source, samples (.npz, an array per input, n rows), target, transformer: bool."""
    import nncf
    import numpy as np
    import onnx

    wanted = json.loads(spec.read_text())
    with np.load(wanted["samples"], allow_pickle=False) as stored:
        arrays = {name: stored[name] for name in stored.files}
    count = min(map(len, arrays.values()))
    rows = [{name: array[at : at + 1] for name, array in arrays.items()} for at in range(count)]
    made = nncf.quantize(
        onnx.load(wanted["source"]),
        nncf.Dataset(rows),
        subset_size=count,
        model_type=nncf.ModelType.TRANSFORMER if wanted["transformer"] else None,
    )
    onnx.save(made, wanted["target"])


if __name__ == "__main__":
    main(Path(sys.argv[1]))
