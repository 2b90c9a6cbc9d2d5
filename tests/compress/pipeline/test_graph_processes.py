"""Several processes on one store, killed and stopped ones."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest

from compress.pipeline.graph import Finished, Inputs, OnEvent, Stage, StageResult, run_stages
from compress.pipeline.interrupt import interruptible
from compress.store.store import open_store
from exporters.errors import Interrupted
from exporters.events import Event

STEPS = 5


def quiet(event: Event) -> None:
    pass


class Training:
    """Writes a checkpoint per step and a line per step to a log; strikes itself at one step."""

    def __init__(self, root: Path, *, strike_at: int | None = None, number: int = 9) -> None:
        self.root, self.strike_at, self.number = root, strike_at, number
        self.log = root / "log"

    def compute(self, inputs: Inputs, folder: Path, on_event: OnEvent) -> StageResult:
        checkpoint = folder / "step"
        begin = int(checkpoint.read_text()) if checkpoint.exists() else 0
        for step in range(begin, STEPS):
            if step == self.strike_at:
                os.kill(os.getpid(), self.number)
                time.sleep(5)
            with self.log.open("a") as stream:
                stream.write(f"{step}\n")
            checkpoint.write_text(str(step + 1))
        (folder / "weights").write_bytes(b"w" * STEPS)
        return StageResult(files={"weights": folder / "weights"})

    def run(self, *, fresh: bool = False) -> Finished:
        stage = Stage(name="train", version=1, parts=lambda _: {}, compute=self.compute)
        with open_store(self.root / "cache") as store:
            return run_stages([stage], store=store, fresh=fresh, on_event=quiet)["train"]

    def steps(self) -> list[int]:
        return [int(line) for line in self.log.read_text().split()]


def test_kill_in_a_stage_resumes_from_its_checkpoint(tmp_path: Path, children) -> None:
    for strike_at in (1, 3):
        code = children.run(Training(tmp_path, strike_at=strike_at, number=signal.SIGKILL).run)
        assert code == -signal.SIGKILL
    done = Training(tmp_path).run()
    assert Training(tmp_path).steps() == [0, 1, 2, 3, 4]
    assert not done.record.hit
    assert done.files["weights"].read_bytes() == b"wwwww"
    assert Training(tmp_path).run().record.hit


def test_sigterm_ends_in_interrupted_and_resumes(tmp_path: Path) -> None:
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(Interrupted) as caught:
        Training(tmp_path, strike_at=2, number=signal.SIGTERM).run()
    assert caught.value.signal_number == signal.SIGTERM
    assert str(caught.value) == "stopped in stage train; run the same command again to resume"
    assert signal.getsignal(signal.SIGTERM) is before
    Training(tmp_path).run()
    assert Training(tmp_path).steps() == [0, 1, 2, 3, 4]


def test_a_stopped_fresh_run_says_that_it_starts_over(tmp_path: Path) -> None:
    with pytest.raises(Interrupted, match="run the same command again; --fresh starts over"):
        Training(tmp_path, strike_at=2, number=signal.SIGTERM).run(fresh=True)


def test_ctrl_c_ends_in_interrupted_with_its_own_number(tmp_path: Path) -> None:
    with pytest.raises(Interrupted) as caught:
        Training(tmp_path, strike_at=2, number=signal.SIGINT).run()
    assert caught.value.signal_number == signal.SIGINT


def test_a_handler_of_the_caller_is_kept() -> None:
    def handler(number: int, frame: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, handler)
    try:
        with pytest.raises(Interrupted, match="stopped in the run"), interruptible("the run"):
            os.kill(os.getpid(), signal.SIGTERM)
        assert signal.getsignal(signal.SIGTERM) is handler
    finally:
        signal.signal(signal.SIGTERM, before)


def test_four_processes_with_one_key_compute_it_once(tmp_path: Path, children) -> None:
    ready, go = os.pipe()

    def contend() -> None:
        os.close(go)
        os.read(ready, 1)  # ends when the parent closes its end: all start together
        done = Training(tmp_path).run()
        kind = "hit" if done.record.hit else "computed"
        digest = done.record.outputs["weights"]
        (tmp_path / f"{os.getpid()}.result").write_text(f"{kind} {digest}")

    started = [children.start(contend) for _ in range(4)]
    os.close(go)
    os.close(ready)
    assert [children.wait(child) for child in started] == [0, 0, 0, 0]
    results = [path.read_text().split() for path in tmp_path.glob("*.result")]
    assert sorted(kind for kind, _ in results) == ["computed", "hit", "hit", "hit"]
    assert len({digest for _, digest in results}) == 1
    assert Training(tmp_path).steps() == [0, 1, 2, 3, 4]


def test_the_waiting_process_says_for_whom(tmp_path: Path, children) -> None:
    holder = Training(tmp_path, strike_at=2, number=signal.SIGSTOP)
    child = children.start(holder.run)
    os.waitpid(child, os.WUNTRACED)
    told: list[Event] = []

    def on_event(event: Event) -> None:
        told.append(event)
        if event.kind == "wait":
            os.kill(child, signal.SIGKILL)

    training = Training(tmp_path)
    stage = Stage(name="train", version=1, parts=lambda _: {}, compute=training.compute)
    with open_store(tmp_path / "cache") as store:
        run_stages([stage], store=store, on_event=on_event)
    assert children.wait(child) == -signal.SIGKILL
    assert told[0].kind == "wait"
    assert told[0].message.startswith(f"waiting for process {child} on ")
    assert told[0].message.endswith(", who computes the same")
    assert training.steps() == [0, 1, 2, 3, 4]


def test_kill_before_any_call_of_a_run_leaves_a_store_that_finishes_the_same(
    tmp_path: Path, faulty_calls
) -> None:
    at, killed = 0, True
    while killed:
        at += 7 if at else 1  # a run makes some 120 calls; every seventh meets each phase
        root = tmp_path / f"{at}"
        root.mkdir()
        killed = faulty_calls.killed(at, Training(root).run)
        done = Training(root).run()
        assert done.files["weights"].read_bytes() == b"wwwww"
        assert sorted(set(Training(root).steps())) == [0, 1, 2, 3, 4]
        assert Training(root).run().record.hit
    assert at > 20
