"""A process of its own, where OpenVINO is found: times files in it and in onnxruntime by turns.

For information: one process, no verdict. Both compute float operators in float32 (OpenVINO's own
choice is bfloat16 where the processor has it) and use one thread.
"""

from __future__ import annotations

import json
import statistics
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

_ROUNDS, _BLOCK_S = 20, 0.02


def main(spec: Path) -> None:
    """files: name -> path; samples: .npz, one sample. Prints name -> runtime -> median ms."""
    import numpy as np
    import onnxruntime
    import openvino

    wanted = json.loads(spec.read_text())
    with np.load(wanted["samples"], allow_pickle=False) as stored:
        feeds = {name: stored[name] for name in stored.files}
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    settings = {
        "INFERENCE_NUM_THREADS": 1,
        "INFERENCE_PRECISION_HINT": "f32",
        "PERFORMANCE_HINT": "LATENCY",
    }
    calls: dict[tuple[str, str], Callable[[], Any]] = {}
    for name, path in wanted["files"].items():
        session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        calls[name, "onnxruntime"] = partial(session.run, None, feeds)
        try:
            request = openvino.compile_model(path, "CPU", settings).create_infer_request()
        except RuntimeError as exc:  # operators of onnxruntime's own domain
            print(f"OpenVINO takes no {name}: {str(exc).splitlines()[0]}", file=sys.stderr)
            continue
        calls[name, "openvino"] = partial(request.infer, feeds)
    print(json.dumps(_medians(calls)))


def _medians(calls: dict[tuple[str, str], Callable[[], Any]]) -> dict[str, dict[str, float]]:
    counts: dict[tuple[str, str], int] = {}
    for key, call in calls.items():
        call()
        begun = time.perf_counter()
        call()
        counts[key] = max(1, round(_BLOCK_S / max(time.perf_counter() - begun, 1e-6)))
    blocks: dict[tuple[str, str], list[float]] = {key: [] for key in calls}
    for number in range(_ROUNDS):
        for key in list(calls) if number % 2 else reversed(list(calls)):
            begun = time.perf_counter()
            for _ in range(counts[key]):
                calls[key]()
            blocks[key].append(1000 * (time.perf_counter() - begun) / counts[key])
    found: dict[str, dict[str, float]] = {}
    for (name, runtime), times in blocks.items():
        found.setdefault(name, {})[runtime] = statistics.median(times)
    return found


if __name__ == "__main__":
    main(Path(sys.argv[1]))
