"""The child process that is timed: numpy, onnxruntime, and files of this project that need no more.
torch comes in where a torch module or a GPU is measured.

Started as `python -P /absolute/worker.py REPLY_FD`. Requests are JSON lines on standard input,
replies JSON lines on a descriptor of its own: onnxruntime writes to standard output. It ends when
its standard input does, so it outlives no parent.
"""

from __future__ import annotations

import gc
import importlib.util
import json
import os
import sys
import time
from pathlib import Path
from typing import Any


def anchor_packages(*names: str) -> None:
    """Make each of the names the package beside this file, whatever folder we run in.

    A repository may well hold folders of these names, and PYTHONPATH may name it; sys.path itself
    stays as it is, so that numpy and onnxruntime are those of the environment.
    """
    root = Path(__file__).resolve().parent.parent
    for name in names:
        spec = importlib.util.spec_from_file_location(
            name, root / name / "__init__.py", submodule_search_locations=[str(root / name)]
        )
        if spec is None or spec.loader is None:
            raise ImportError(f"{root / name} is no package")
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        spec.loader.exec_module(module)


def resident_bytes() -> tuple[int, int]:
    """(VmRSS, VmHWM) of this process. Not ru_maxrss: a child inherits that of its parent."""
    found = {"VmRSS": 0, "VmHWM": 0}
    for line in (
        Path("/proc/self/status").read_text(encoding="ascii", errors="replace").splitlines()
    ):
        name, _, value = line.partition(":")
        if name in found:
            found[name] = int(value.split()[0]) * 1024
    return found["VmRSS"], found["VmHWM"]


def reset_peak() -> None:
    """Make VmHWM start again from the present size: importing leaves a peak of its own."""
    try:
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    except OSError:
        return  # some containers have no such file; the peak then includes the import's


class Worker:
    """Answers requests. State: feeds by batch, one runner, prepared calls by batch."""

    def __init__(self) -> None:
        self.feeds: dict[int, dict[str, Any]] = {}
        self.calls: dict[int, Any] = {}
        self.device_calls: dict[int, Any] = {}
        self.runner: Any = None
        self.beside: list[Any] = []  # further sessions of the same model

    def answer(self, request: dict[str, Any]) -> dict[str, Any]:
        """One request, one reply."""
        match request.pop("op"):
            case "load":
                return self.load(**request)
            case "open":
                return self.open(**request)
            case "warm_up":
                return self.warm_up(**request)
            case "time":
                return self.time(**request)
            case "time_device":
                return self.time_device(**request)
            case "screen":
                return self.screen(**request)
            case "sessions":
                return self.sessions(**request)
            case "saturate":
                return self.saturate(**request)
            case "serve":
                return self.serve(**request)
            case "gpu":
                return self.gpu()
            case "memory":
                resident, peak = resident_bytes()
                return {"resident_bytes": resident, "peak_bytes": peak}
            case other:
                raise ValueError(f"unknown request {other!r}")

    def load(
        self, feeds: dict[str, dict[str, str]], runner: str = "onnxruntime", device: str = "cpu"
    ) -> dict[str, Any]:
        """feeds: batch -> input -> .npy file. Ends with the memory baseline: all is imported."""
        from benchmarks.runners.opening import import_for

        if runner != "onnxruntime":
            anchor_packages("compress")  # the loader of the module may be in it
        import_for(runner, device)
        import numpy as np

        self.feeds = {
            int(batch): {name: np.load(path, allow_pickle=False) for name, path in files.items()}
            for batch, files in feeds.items()
        }
        gc.collect()
        reset_peak()
        return {"resident_bytes": resident_bytes()[0]}

    def open(self, threads: int, device: str, batch: int, **source: Any) -> dict[str, Any]:
        """Make the runner and run it once. Both times are those of a cold start.

        source: what open_runner takes beside them; without `runner`, an ONNX file at `path`.
        """
        from benchmarks.runners.opening import open_runner

        runner = source.pop("runner", "onnxruntime")
        start = time.perf_counter_ns()
        self.runner = open_runner(runner, device=device, threads=threads, **source)
        opened = time.perf_counter_ns()
        resident, load_peak = resident_bytes()
        call = self.call(batch)
        begun = time.perf_counter_ns()
        call()
        ended = time.perf_counter_ns()
        return {
            "session_ns": opened - start,
            "first_call_ns": ended - begun,
            "resident_bytes": resident,
            "load_peak_bytes": load_peak,
            "fallback_nodes": self.runner.fallback_nodes,
        }

    def call(self, batch: int) -> Any:
        if batch not in self.calls:
            self.calls[batch] = self.runner.prepare(self.feeds[batch])
        return self.calls[batch]

    def warm_up(self, batch: int, rule: dict[str, Any]) -> dict[str, Any]:
        from benchmarks.timing import WarmUp, warm_up

        return {"samples_ns": warm_up(self.call(batch), WarmUp(**rule))}

    def time(self, batch: int, calls: int) -> dict[str, Any]:
        from benchmarks.timing import time_calls

        return {"samples_ns": time_calls(self.call(batch), warmup=0, rounds=calls)}

    def time_device(self, batch: int, calls: int) -> dict[str, Any]:
        """Calls on the device's own clock; None where the runner has no device."""
        from benchmarks.runners.runner import time_on_device

        if batch not in self.device_calls:
            self.device_calls[batch] = self.runner.prepare_on_device(self.feeds[batch])
        found = self.device_calls[batch]
        samples = None if found is None else time_on_device(found, warmup=5, rounds=calls)
        return {"samples_ns": samples}

    def screen(
        self,
        opening: dict[str, Any],
        feeds: dict[str, dict[str, str]],
        rule: dict[str, Any],
        rounds: int,
        most_ns: int,
    ) -> dict[str, Any]:
        """Blocks of a further file and of the runner that is open, in turn, at every batch that
        is fed; the further one is closed then."""
        import numpy as np

        from benchmarks.runners.opening import open_runner
        from benchmarks.timing import WarmUp, interleaved

        other = open_runner(opening.pop("runner"), **opening)
        found = {}
        for batch, files in feeds.items():
            arrays = {name: np.load(path, allow_pickle=False) for name, path in files.items()}
            calls = self.call(int(batch)), other.prepare(arrays)
            found[batch] = interleaved(*calls, rule=WarmUp(**rule), rounds=rounds, most_ns=most_ns)
        return {"blocks_ns": found}

    def sessions(self, count: int, opening: dict[str, Any]) -> dict[str, Any]:
        """More runners like the one that is open, so that there are `count` of them."""
        from benchmarks.runners.opening import open_runner
        from benchmarks.serving import sharpen_timers

        sharpen_timers()
        source = {key: value for key, value in opening.items() if key not in ("op", "batch")}
        runner = source.pop("runner")
        self.beside = [open_runner(runner, **source) for _ in range(count - 1)]
        return {"sessions": count}

    def all_calls(self, batch: int) -> list[Any]:
        """A call per session."""
        feeds = self.feeds[batch]
        return [self.call(batch), *(runner.prepare(feeds) for runner in self.beside)]

    def saturate(self, batch: int, seconds: float) -> dict[str, Any]:
        from benchmarks.serving import saturate

        return {"per_s": saturate(self.all_calls(batch), seconds=seconds)}

    def serve(self, batch: int, rate: float, count: int, seed: int, end_s: float) -> dict[str, Any]:
        from benchmarks.serving import arrivals, serve

        found = serve(
            self.all_calls(batch), arrivals(rate, count, seed=seed), end_ns=int(end_s * 1e9)
        )
        return {
            "latency_ns": found.latency_ns,
            "unserved": found.unserved,
            "seconds": found.seconds,
        }

    def gpu(self) -> dict[str, Any]:
        """The device that CUDA calls the first here."""
        from benchmarks.runners.cuda import cuda_torch, describe_device

        return describe_device(cuda_torch())

    def explained(self, error: Exception) -> Exception:
        """What the runner makes of an exception of its library."""
        explained: Exception = error if self.runner is None else self.runner.explain(error)
        return explained


def failure(error: Exception) -> dict[str, Any]:
    """What the parent raises again: the error's name and its parts."""
    from exporters.errors import DistilError

    if isinstance(error, DistilError):
        kind, what = type(error).__name__, error.what
        return {"error": kind, "what": what, "where": error.where, "cure": error.cure}
    text = " ".join(str(error).split())
    return {"error": "", "what": f"{type(error).__name__}: {text}", "where": "", "cure": ""}


def main() -> None:
    """Serve until standard input ends."""
    anchor_packages("exporters", "benchmarks")
    reply = os.fdopen(int(sys.argv[1]), "w", encoding="utf-8", buffering=1)

    def send(value: dict[str, Any]) -> None:
        reply.write(json.dumps(value) + "\n")
        reply.flush()

    worker = Worker()
    try:
        import benchmarks.runners.onnx_runtime
        import benchmarks.runners.opening
        import benchmarks.runners.runner
        import benchmarks.timing  # noqa: F401  (paid for before anything is measured)
        from exporters.builds import check_builds

        check_builds()
        gc.collect()
        gc.freeze()
        gc.disable()  # the work here makes no cycles, and a collection inside a block is noise
        send({"ready": True})
    except Exception as error:  # the boundary of the process: the parent raises it again
        send(failure(error))
        return
    for line in sys.stdin:
        try:
            send(worker.answer(json.loads(line)))
        except Exception as error:  # as above
            send(failure(worker.explained(error)))


if __name__ == "__main__":
    main()
