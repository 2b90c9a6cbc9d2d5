"""What a training step costs: sides alternate in one process, and one ratio is printed for each.

pytest -s benchmarks/suites/test_training_cost.py
The bounds are asserted under DISTIL_ASSERT_COST=1 alone: a shared machine is no place for them.
DISTIL_COST_RESULTS=FILE appends each ratio, with its interval and the CPU model, as a line of JSON.
"""

from __future__ import annotations

import importlib.util
import itertools
import os
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from accelerate import Accelerator
from torch import nn

from benchmarks.environment import machine_fingerprint
from benchmarks.evidence.lines import append_line
from benchmarks.stats import order_interval
from compress.distill.feed import TrainingFeed
from compress.distill.layout import channels_last
from compress.distill.objective import build_objective
from compress.distill.optimizer import make_optimizer, set_rate
from compress.distill.schedule import one_cycle
from compress.distill.settings import Settings
from compress.distill.teaching import OnlineTeacher
from compress.distill.trainer import train
from compress.recipe.nodes import KdLoss, LabelsLoss, LossNode
from compress.tasks.augment import Augmentation
from compress.tasks.data import Samples, Task
from compress.teachers.stored import Form, StoredOutputs, open_outputs, write_outputs

MODEL = Path(__file__).parents[2] / "examples" / "fashion" / "model.py"
BATCH = int(os.environ.get("DISTIL_COST_BATCH", "128"))
STEPS = int(os.environ.get("DISTIL_COST_STEPS", "6"))  # of one block of one side
BLOCKS = int(os.environ.get("DISTIL_COST_BLOCKS", "9"))
# On a machine that others use, `cpu` with one thread counts this process alone.
CLOCK = time.process_time if os.environ.get("DISTIL_COST_CLOCK") == "cpu" else time.perf_counter
KD = KdLoss(kind="kd", temperature=4, weight=0.9)
LABELS = LabelsLoss(kind="labels", smoothing=0.1)


def _factory(name: str) -> nn.Module:
    spec = importlib.util.spec_from_file_location("fashion_model", MODEL)
    assert spec is not None
    assert spec.loader is not None
    module: Any = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    torch.manual_seed(0)
    made: nn.Module = getattr(module, name)()
    return made


def _task(count: int) -> Task:
    random = np.random.default_rng(0)

    def part(size: int, first: int) -> Samples:
        return Samples(
            ids=np.arange(first, first + size),
            inputs=random.integers(0, 256, (size, 1, 28, 28), dtype=np.uint8),
            labels=np.arange(size, dtype=np.int64) % 10,
        )

    few = part(20, 10**6)
    return Task(
        name="noise",
        classes=tuple("0123456789"),
        input_name="images",
        scale=1 / 255,
        augmentation=Augmentation(),
        fingerprint="noise",
        train=part(count, 0),
        validation=few,
        test=lambda: few,
    )


class _Engine:
    """Steps of the trainer itself, timed from batch to batch: everything that a step does."""

    def __init__(
        self, loss: LossNode, *, stored: StoredOutputs | None = None, online: bool = False
    ) -> None:
        outputs = None if stored is None else [stored]
        task = _task(STEPS * BATCH)
        self.feed = _Clocked(task=task, batch=BATCH, seed=0, teacher_outputs=outputs)
        self.loss = loss
        self.teacher = OnlineTeacher(network=_factory("teacher").eval()) if online else None
        self.settings = Settings(
            epochs=1,
            learning_rate=0.05,
            weight_decay=5e-4,
            warmup=0.3,
            average=0.0,
            clip=None,
            seed=0,
            checkpoint_every_s=1e9,
        )
        self.accelerator = Accelerator(cpu=True)

    def block(self) -> float:
        """Seconds of one step of a block."""
        train(
            _factory("student"),
            feed=self.feed,
            objective=build_objective(self.loss),
            settings=self.settings,
            accelerator=self.accelerator,
            teacher=self.teacher,
        )
        return _typical(self.feed.starts[-(STEPS + 1) :])


class _Clocked(TrainingFeed):
    """A feed that notes when each batch is asked for, and when the epoch ends."""

    starts: list[float] = []  # noqa: RUF012  # one list for all: blocks run one after another

    def batches(self, epoch: int, *, first_step: int = 0) -> Iterator[Any]:
        self.starts.append(CLOCK())
        for batch in super().batches(epoch, first_step=first_step):
            yield batch
            self.starts.append(CLOCK())

    def statistics_batches(self) -> Iterator[Any]:
        return iter(())


def _stored(path: Path, form: Form) -> StoredOutputs:
    """Outputs as a run has them: in the store's own file, mapped."""
    count = STEPS * BATCH
    values = np.random.default_rng(1).normal(size=(count, 10)).astype(np.float32)
    write_outputs(
        path, [np.arange(count)], values.__getitem__, samples=count, classes=10, form=form, about=""
    )
    return open_outputs(path, samples=count, classes=10)


def _plain_block() -> float:
    """The same steps as a script would write them, tuned as well: channels last, in-memory data,
    fused update of lists, one-cycle, no needless copies."""
    task = _task(STEPS * BATCH)
    model = channels_last(_factory("student")).train()
    optimizer = make_optimizer(model, learning_rate=0.05, weight_decay=5e-4)
    images = torch.from_numpy(task.train.inputs)
    labels = torch.from_numpy(task.train.labels)
    order = torch.randperm(len(images))
    criterion = nn.CrossEntropyLoss(label_smoothing=0.1)
    starts = [CLOCK()]
    for step in range(STEPS):
        rows = order[step * BATCH : (step + 1) * BATCH]
        inputs = images[rows].float().div_(255).contiguous(memory_format=torch.channels_last)
        set_rate(optimizer, one_cycle(step, steps=STEPS, peak=0.05, warmup=0.3))
        loss = criterion(model(inputs), labels[rows])
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        assert np.isfinite(loss.item())
        starts.append(CLOCK())
    return _typical(starts)


def _typical(starts: Sequence[float]) -> float:
    """The median step after a third of the block: trainings are long, and the first dozen steps of
    either side, with new memory and cold caches, are up to a twentieth slower."""
    taken = [after - before for before, after in itertools.pairwise(starts)]
    return statistics.median(taken[max(1, STEPS // 3) :])


def _ratio(name: str, first: Callable[[], float], second: Callable[[], float]) -> float:
    """Median over pairs of blocks of first / second, with its interval of at least 95 %; the order
    changes from pair to pair."""
    first(), second()
    ratios = []
    for index in range(BLOCKS):
        if index % 2:
            other, own = second(), first()
        else:
            own, other = first(), second()
        ratios.append(own / other)
    middle = statistics.median(ratios)
    interval = order_interval(ratios)
    assert interval is not None, "DISTIL_COST_BLOCKS is below six: too few for an interval"
    low, high, held = interval
    print(f"\n{name}: {middle:.3f} ({100 * held:.1f} % interval {low:.3f} to {high:.3f})")
    if os.environ.get("DISTIL_COST_RESULTS"):
        line = {"ratio_of": name, "ratio": middle, "low": low, "high": high, "pairs": len(ratios)}
        about = {"steps": STEPS, "batch": BATCH, "clock": CLOCK.__name__}
        row = {**line, **about, "machine": dict(machine_fingerprint())}
        append_line(Path(os.environ["DISTIL_COST_RESULTS"]), row)
    return middle


def _bound(ratio: float, limit: float) -> None:
    if os.environ.get("DISTIL_ASSERT_COST") == "1":
        assert ratio <= limit


def test_a_step_of_the_engine_against_a_plain_loop() -> None:
    _bound(_ratio("engine step / plain PyTorch step", _Engine(LABELS).block, _plain_block), 1.03)


@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_a_step_with_stored_outputs_against_labels_alone(tmp_path: Path, dtype: Any) -> None:
    stored = _Engine(KD, stored=_stored(tmp_path / "outputs.safetensors", Form(dtype=dtype)))
    name = f"stored outputs, {dtype} / labels alone"
    _bound(_ratio(name, stored.block, _Engine(LABELS).block), 1.05)


def test_a_step_with_the_teacher_in_the_loop() -> None:
    """For information: it depends on the teacher."""
    _ratio(
        "teacher in the loop / labels alone", _Engine(KD, online=True).block, _Engine(LABELS).block
    )
