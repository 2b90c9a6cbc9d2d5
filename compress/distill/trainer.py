"""The training loop: distillation or labels alone, one process or several, resumable exactly."""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from benchmarks.quiet import pause_while_timing
from compress.distill.averaging import average_into, reestimate_batch_norm
from compress.distill.checkpoint import Progress, load_checkpoint, save_checkpoint
from compress.distill.feed import Batch, TrainingFeed
from compress.distill.layout import channels_last
from compress.distill.objective import Objective
from compress.distill.schedule import one_cycle
from compress.errors import Interrupted, TrainingDiverged
from compress.tasks.batches import row_batches
from compress.tasks.views import Inputs, as_inputs
from compress.values import Epoch
from exporters.events import Event

MOMENTUM = 0.9
EVALUATION_BATCH = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Numbers of one training. batch counts samples over all processes; times in seconds."""

    epochs: int
    learning_rate: float
    weight_decay: float
    warmup: float
    average: float
    clip: float | None
    seed: int
    checkpoint_every_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """The module to export (averaged, statistics re-estimated, eval mode) and its record."""

    module: nn.Module
    epochs: tuple[Epoch, ...]
    resumed_from_steps: tuple[int, ...]


def train(
    model: nn.Module,
    *,
    feed: TrainingFeed,
    objective: Objective,
    settings: Settings,
    accelerator: Any,  # accelerate.Accelerator, which ships no types
    checkpoints: Path | None = None,
    stop_requested: Callable[[], bool] = lambda: False,
    on_event: Callable[[Event], None] = lambda event: None,
) -> Outcome:
    """Train `model` in place. Raises TrainingDiverged on a loss that is not finite.

    With `checkpoints`, the newest one there is resumed, to the very bits of an unbroken run on
    the same machine; `stop_requested` is asked after each step, and a stop saves first.
    """
    loop = _Loop(model, feed, objective, settings, accelerator, checkpoints, on_event)
    loop.resume()
    while loop.epoch < settings.epochs:
        loop.run_epoch(stop_requested)
    loop.save()
    module = loop.averaged if loop.averaged is not None else loop.plain
    module.eval()
    return Outcome(
        module=module,
        epochs=tuple(Epoch(**entry) for entry in loop.progress.epochs),
        resumed_from_steps=loop.progress.resumed_from_steps,
    )


class _Loop:
    """The state of one training: model, averaged copy, optimiser, position."""

    def __init__(
        self,
        model: nn.Module,
        feed: TrainingFeed,
        objective: Objective,
        settings: Settings,
        accelerator: Any,
        checkpoints: Path | None,
        on_event: Callable[[Event], None],
    ) -> None:
        self.feed, self.objective, self.settings = feed, objective, settings
        self.accelerator, self.on_event, self.checkpoints = accelerator, on_event, checkpoints
        self.plain = channels_last(model)
        self.averaged = copy.deepcopy(self.plain) if settings.average else None
        optimizer = torch.optim.SGD(
            _decay_groups(self.plain, settings.weight_decay),
            lr=settings.learning_rate,
            momentum=MOMENTUM,
            nesterov=True,
        )
        self.plain_optimizer = optimizer
        self.model, self.optimizer = accelerator.prepare(self.plain, optimizer)
        self.progress = Progress(step=0, losses=(), epochs=(), resumed_from_steps=())
        self.losses: list[float] = []
        self.saved_at = time.monotonic()

    @property
    def steps(self) -> int:
        return self.settings.epochs * self.feed.steps_per_epoch

    @property
    def epoch(self) -> int:
        """Epochs with a record; one whose last step is done but not its record is still open."""
        return len(self.progress.epochs)

    def resume(self) -> None:
        if self.checkpoints is None:
            return
        found = load_checkpoint(
            self.checkpoints,
            model=self.plain,
            averaged=self.averaged,
            optimizer=self.plain_optimizer,
        )
        if found is not None:
            resumed = (*found.resumed_from_steps, found.step)
            self.progress = replace(found, resumed_from_steps=resumed)
            self.losses = list(found.losses)
            self._tell("resumed", f"resumed from step {found.step}", step=found.step)

    def save(self) -> None:
        if self.checkpoints is None or not self.accelerator.is_main_process:
            return
        self.progress = replace(self.progress, losses=tuple(self.losses))
        save_checkpoint(
            self.checkpoints,
            self.progress,
            model=self.plain,
            averaged=self.averaged,
            optimizer=self.plain_optimizer,
        )
        self.saved_at = time.monotonic()

    def run_epoch(self, stop_requested: Callable[[], bool]) -> None:
        epoch, started = self.epoch, time.monotonic()
        first = self.progress.step - epoch * self.feed.steps_per_epoch
        for batch in self.feed.batches(epoch, first_step=first):
            pause_while_timing()
            self._step(batch)
            if self._agreed(stop_requested()):
                self.save()
                raise Interrupted(
                    f"training stopped at step {self.progress.step} of {self.steps}",
                    signal_number=15,
                    cure="run the same command again to go on",
                )
            if time.monotonic() - self.saved_at >= self.settings.checkpoint_every_s:
                self.save()
        self._finish_epoch(epoch, seconds=time.monotonic() - started)

    def _step(self, batch: Batch) -> None:
        settings, step = self.settings, self.progress.step
        rate = one_cycle(
            step, steps=self.steps, peak=settings.learning_rate, warmup=settings.warmup
        )
        for group in self.plain_optimizer.param_groups:
            group["lr"] = rate
        device = self.accelerator.device
        teacher = None if batch.teacher is None else batch.teacher.to(device)
        with self.accelerator.autocast():
            scores = self.model(*self._moved(batch.inputs))
        loss = self.objective(scores, batch.target.to(device), teacher)
        value = float(loss.detach())
        if not math.isfinite(value):
            raise TrainingDiverged(
                f"loss is {value} at step {step} of {self.steps}",
                where="distill",
                cure="lower `distill.learning_rate` or set `distill.clip`; the last checkpoint "
                "before this step is kept",
            )
        self.optimizer.zero_grad(set_to_none=True)
        self.accelerator.backward(loss)
        if settings.clip is not None:
            self.accelerator.clip_grad_norm_(self.model.parameters(), settings.clip)
        self.optimizer.step()
        self.progress = replace(self.progress, step=step + 1)
        if self.averaged is not None:
            average_into(self.averaged, self.plain, decay=settings.average, step=step + 1)
        self.losses.append(value)
        if (step + 1) % 20 == 0:
            self._tell("step", "", step=step + 1, loss=value)

    def _agreed(self, wanted: bool) -> bool:
        """All processes stop at the same step, whichever of them got the signal."""
        if self.accelerator.num_processes == 1:
            return wanted
        flag = torch.tensor([1.0 if wanted else 0.0], device=self.accelerator.device)
        return bool(self.accelerator.reduce(flag, reduction="sum").item() > 0)

    def _finish_epoch(self, epoch: int, *, seconds: float) -> None:
        module = self.averaged if self.averaged is not None else self.plain
        if self.averaged is not None:
            reestimate_batch_norm(module, map(self._moved, self.feed.statistics_batches()))
        accuracy, loss = self._validate(module)
        steps = self.feed.steps_per_epoch
        rate = one_cycle(
            self.progress.step - 1,
            steps=self.steps,
            peak=self.settings.learning_rate,
            warmup=self.settings.warmup,
        )
        entry = Epoch(
            epoch=epoch,
            train_loss=sum(self.losses) / max(1, len(self.losses)),
            validation_accuracy=accuracy,
            validation_loss=loss,
            learning_rate=rate,
            seconds=round(seconds, 3),
        )
        self.losses = []
        self.progress = replace(self.progress, epochs=(*self.progress.epochs, asdict(entry)))
        self._tell(
            "epoch",
            f"epoch {epoch + 1} of {self.settings.epochs}: loss {entry.train_loss:.4f}, "
            f"validation {100 * accuracy:.2f} %",
            step=(epoch + 1) * steps,
            **asdict(entry),
        )

    def _validate(self, module: nn.Module) -> tuple[float, float]:
        validation = self.feed.task.validation
        with _evaluating(module):
            right, total = 0, 0.0
            for rows in row_batches(self.feed.task, validation, EVALUATION_BATCH):
                inputs = as_inputs(self.feed.task, validation.inputs[rows])
                target = torch.from_numpy(validation.labels[rows]).to(self.accelerator.device)
                scores = module(*self._moved(inputs)).float()
                right += int((scores.argmax(1) == target).sum())
                total += float(nn.functional.cross_entropy(scores, target, reduction="sum"))
        return right / len(validation), total / len(validation)

    def _moved(self, inputs: Inputs) -> Inputs:
        return tuple(tensor.to(self.accelerator.device) for tensor in inputs)

    def _tell(self, kind: str, message: str, *, step: int, **data: Any) -> None:
        if self.accelerator.is_main_process:
            progress = step / self.steps
            self.on_event(
                Event(kind=kind, stage="train", message=message, progress=progress, data=data)
            )


@contextmanager
def _evaluating(module: nn.Module) -> Iterator[None]:
    was_training = module.training
    module.eval()
    try:
        with torch.no_grad():
            yield
    finally:
        module.train(was_training)


def _decay_groups(model: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    """Weight decay for matrices and kernels, none for biases and norms."""
    decayed = [p for p in model.parameters() if p.ndim > 1]
    others = [p for p in model.parameters() if p.ndim <= 1]
    return [
        {"params": decayed, "weight_decay": weight_decay},
        {"params": others, "weight_decay": 0.0},
    ]
