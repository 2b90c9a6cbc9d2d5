"""The timed child: what it loads, what its death means, and how little its parent matters."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from benchmarks.pace import Pace
from benchmarks.probe import probe
from benchmarks.process import WORKER, WorkerDied, WorkerProcess, describe_death
from benchmarks.staging import open_subjects, staged
from benchmarks.values import Setting
from exporters.errors import InputError, RefusedModel

ROOT = Path(__file__).resolve().parents[2]
ROWS = np.ones((3, 4), np.float32)

# A worker that says it is ready, and then does what the test wants of it.
ACTOR = """
import os, sys, time
reply = os.fdopen(int(sys.argv[1]), "w", buffering=1)
print("noise on standard output", flush=True)
reply.write('{"ready": true}\\n')
sys.stdin.readline()
ACTION
"""


def actor(tmp_path: Path, action: str) -> Path:
    path = tmp_path / "actor.py"
    path.write_text(ACTOR.replace("ACTION", action))
    return path


def last_words(tmp_path: Path, action: str, *, limit_s: float = 30) -> str:
    source = Path("net.onnx")
    with WorkerProcess(source=source, limit_s=60, worker=actor(tmp_path, action)) as worker:
        worker.limit_s = limit_s  # its start may take longer on a busy machine
        with pytest.raises(WorkerDied) as caught:
            worker.ask("time")
    assert caught.value.exit_code == 4
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_segmentation_fault_is_the_models_crash(tmp_path: Path) -> None:
    said = last_words(tmp_path, "import signal; os.kill(os.getpid(), signal.SIGSEGV)")
    assert said.startswith("net.onnx: the model crashed the runtime (SIGSEGV)")


def test_an_abort_carries_the_runtimes_last_line(tmp_path: Path) -> None:
    said = last_words(tmp_path, "os.write(2, b'terminate: bad alloc\\n'); os.abort()")
    assert "the model crashed the runtime (SIGABRT): terminate: bad alloc" in said


def test_a_killed_worker_is_named_as_killed(tmp_path: Path) -> None:
    said = last_words(tmp_path, "os.kill(os.getpid(), 9)")
    assert "the worker was killed (SIGKILL)" in said
    assert "out-of-memory" in said


def test_an_early_end_is_named_with_its_code(tmp_path: Path) -> None:
    assert "ended with code 3 before it answered" in last_words(tmp_path, "os._exit(3)")


def test_a_worker_that_does_not_answer_is_ended_at_its_limit(tmp_path: Path) -> None:
    assert "no answer within 0.2 s" in last_words(tmp_path, "time.sleep(600)", limit_s=0.2)


def test_signals_without_a_name_are_numbered() -> None:
    assert describe_death(-250)[0] == "the worker was ended by signal 250"
    assert describe_death(-signal.SIGTERM)[0] == "the worker was ended (SIGTERM)"


def test_a_real_worker_killed_between_requests_is_noticed() -> None:
    with WorkerProcess(source=Path("net.onnx")) as worker:
        os.kill(worker.pid, signal.SIGKILL)
        with pytest.raises(WorkerDied, match="was killed"):
            worker.ask("memory")


def test_the_parent_sleeps_while_its_child_is_timed(
    make_model: Callable[..., Path], tmp_path: Path
) -> None:
    """In CPU seconds, which a busy machine does not change."""
    np.save(tmp_path / "x.npy", np.ones((1, 4), np.float32))
    with WorkerProcess(source=Path("m.onnx")) as worker:
        worker.ask("load", feeds={"1": {"h0": str(tmp_path / "x.npy")}})
        worker.ask("open", path=str(make_model("sleep")), threads=1, device="cpu", batch=1)
        before = time.process_time()
        samples = worker.ask("warm_up", batch=1, rule={"min_ns": 600_000_000, "max_ns": 10**9})
        spent_s = time.process_time() - before
    assert sum(samples["samples_ns"]) > 300_000_000
    assert spent_s < 0.15  # the reply's JSON; a parent that polls would have used 0.6


def test_closing_leaves_no_process_and_no_descriptor() -> None:
    before = len(os.listdir("/proc/self/fd"))
    with WorkerProcess(source=Path("net.onnx")) as worker:
        pid = worker.pid
        worker.ask("memory")
    assert not Path(f"/proc/{pid}").exists()
    assert len(os.listdir("/proc/self/fd")) == before


def test_a_killed_parent_leaves_no_worker() -> None:
    script = (
        f"import os, sys; sys.path.insert(0, {str(ROOT)!r})\n"
        "from pathlib import Path\n"
        "from benchmarks.process import WorkerProcess\n"
        "worker = WorkerProcess(source=Path('net.onnx')).__enter__()\n"
        "print(worker.pid, flush=True)\n"
        "os.kill(os.getpid(), 9)\n"
    )
    run = subprocess.run(
        [sys.executable, "-P", "-c", script], capture_output=True, text=True, check=False
    )
    assert run.returncode == -9
    status = Path(f"/proc/{int(run.stdout)}/stat")
    for _ in range(200):
        # A zombie has ended; whoever inherited it has not looked yet.
        if not status.exists() or status.read_text().rpartition(")")[2].split()[0] == "Z":
            return
        time.sleep(0.05)
    pytest.fail(f"the worker {run.stdout} outlived its parent")


def test_a_file_that_the_runtime_refuses_is_refused_by_name(tmp_path: Path) -> None:
    broken = tmp_path / "copy.onnx"
    broken.write_bytes(b"\x08\x08")
    with WorkerProcess(source=Path("named.onnx")) as worker:
        worker.ask("load", feeds={})
        with pytest.raises(RefusedModel, match=r"^named\.onnx: ") as caught:
            worker.ask("open", path=str(broken), threads=1, device="cpu", batch=1)
    assert "copy.onnx" not in str(caught.value)


def test_wrong_feeds_are_refused(make_model: Callable[..., Path], tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.ones((1, 4)))
    feeds = {"1": {"h0": str(tmp_path / "x.npy")}, "2": {"other": str(tmp_path / "x.npy")}}
    opened = {"path": str(make_model("wrong")), "threads": 1, "device": "cpu"}
    with WorkerProcess(source=Path("m.onnx")) as worker:
        worker.ask("load", feeds=feeds)
        with pytest.raises(InputError, match="h0 takes float32, and was given float64"):
            worker.ask("open", **opened, batch=1)
        with pytest.raises(InputError, match=r"takes inputs \['h0'\]"):
            worker.ask("time", batch=2, calls=1)


def test_memory_is_that_of_the_child_though_the_parent_holds_500_mb(
    make_model: Callable[..., Path], hurried: Pace
) -> None:
    held = np.ones(500_000_000, dtype=np.uint8)
    artifacts = open_subjects({"m": make_model("memory", layers=2)})
    setting = Setting(device="cpu", threads=1, batch=2)
    with staged(artifacts, inputs=ROWS, batches=[2]) as (subject,):
        memory, calls = probe(subject, setting, pace=hurried)
    assert held[-1] == 1
    assert 5e6 < memory.baseline_bytes <= memory.loaded_bytes <= memory.peak_bytes < 250e6
    assert 0 <= memory.peak_delta_bytes < 100e6
    assert memory.load_peak_bytes is not None
    assert memory.loaded_bytes <= memory.load_peak_bytes <= memory.peak_bytes
    assert 1 <= calls <= hurried.most_calls


def test_copies_lie_at_paths_of_equal_length_and_leave_nothing(
    make_model: Callable[..., Path],
) -> None:
    artifacts = open_subjects({"a": make_model("a"), "much-longer": make_model("much-longer-name")})
    with staged(artifacts, inputs=ROWS, batches=[1, 32]) as subjects:
        first, second = (str(subject.model) for subject in subjects)
        assert len(first) == len(second)
        assert np.load(subjects[1].feed_files[32]["h0"]).shape == (32, 4)
    assert not Path(first).exists()
    assert not Path(first).parent.parent.exists()


def test_external_data_travels_with_its_model(
    tmp_path: Path, make_model: Callable[..., Path]
) -> None:
    import onnx

    model = onnx.load(make_model("outside", layers=2))
    folder = tmp_path / "model"
    (folder / "inner").mkdir(parents=True)
    onnx.save(
        model,
        folder / "m.onnx",
        save_as_external_data=True,
        location="inner/m.data",
        size_threshold=0,
    )
    with staged(open_subjects({"m": folder / "m.onnx"}), inputs=ROWS, batches=[1]) as (subject,):
        copy = subject.model.parent / "inner" / "m.data"
        assert copy.read_bytes() == (folder / "inner" / "m.data").read_bytes()


def test_the_worker_loads_numpy_and_onnxruntime_alone() -> None:
    script = (
        "import importlib.util as u, sys\n"
        f"spec = u.spec_from_file_location('worker', {str(WORKER)!r})\n"
        "worker = u.module_from_spec(spec); spec.loader.exec_module(worker)\n"
        "worker.anchor_packages('exporters', 'benchmarks')\n"
        "import benchmarks.runners.onnx_runtime, benchmarks.timing\n"
        "print(*sorted({name.split('.')[0] for name in sys.modules}))"
    )
    run = subprocess.run(
        [sys.executable, "-P", "-c", script], capture_output=True, text=True, check=True
    )
    loaded = set(run.stdout.split())
    assert {"numpy", "onnxruntime", "exporters", "benchmarks"} <= loaded
    assert not loaded & {"onnx", "torch", "scipy", "google", "pydantic", "compress", "rich"}


def test_folders_of_our_names_in_the_users_repository_do_no_harm(
    make_model: Callable[..., Path], tmp_path: Path
) -> None:
    for name in ("benchmarks", "compress", "exporters"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text("raise SystemExit('the wrong package')")
    script = (
        "import os, sys\n"
        f"sys.path.insert(0, {str(ROOT)!r})\n"
        "from pathlib import Path\n"
        "import numpy as np\n"
        "from benchmarks.process import WorkerProcess\n"
        "np.save('x.npy', np.ones((1, 4), np.float32))\n"
        f"os.environ['PYTHONPATH'] = {str(tmp_path)!r}\n"
        "with WorkerProcess(source=Path('m.onnx')) as worker:\n"
        "    worker.ask('load', feeds={'1': {'h0': 'x.npy'}})\n"
        f"    model = {str(make_model('shadowed'))!r}\n"
        "    print(sorted(worker.ask('open', path=model, threads=1, device='cpu', batch=1)))\n"
    )
    run = subprocess.run(
        [sys.executable, "-P", "-c", script],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        check=False,
    )
    assert run.stderr == ""
    times, memory = ["first_call_ns", "session_ns"], ["load_peak_bytes", "resident_bytes"]
    assert run.stdout == f"{sorted(['fallback_nodes', *times, *memory])}\n"
