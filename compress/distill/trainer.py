"""The training loop: distillation or labels alone, one process or several, resumable exactly."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from compress.distill.agreement import agree, as_main
from compress.distill.averaging import average_buffers, average_into, reestimate_batch_norm
from compress.distill.best import best_epoch, is_spent
from compress.distill.checkpoint import Progress, load_checkpoint, save_checkpoint
from compress.distill.evaluate import Validation, moved
from compress.distill.feed import TrainingFeed
from compress.distill.layout import channels_last
from compress.distill.learner import Learner, make_learner
from compress.distill.objective import Objective
from compress.distill.optimizer import make_optimizer, set_rate
from compress.distill.pausing import pause
from compress.distill.schedule import rate_at
from compress.distill.settings import Outcome as Outcome
from compress.distill.settings import Settings as Settings
from compress.distill.teaching import OnlineTeacher
from compress.distill.update import Update
from compress.errors import Interrupted
from compress.recipe.loss_needs import Tap
from compress.tasks.views import as_inputs
from compress.values import Epoch
from exporters.events import Event

TELL_EVERY_STEPS = 20


def train(
    model: nn.Module,
    *,
    feed: TrainingFeed,
    objective: Objective,
    settings: Settings,
    accelerator: Any,  # accelerate.Accelerator, which ships no types
    teacher: OnlineTeacher | None = None,
    taps: Sequence[Tap] = (),
    width: int | None = None,
    validation: Validation | None = None,
    checkpoints: Path | None = None,
    stop_requested: Callable[[], bool] = lambda: False,
    on_event: Callable[[Event], None] = lambda event: None,
) -> Outcome:
    """Train `model` in place. Raises TrainingDiverged on a loss or gradient that is not finite.

    teacher: one that answers in the loop; without it, and under settings.teach_by_average, the
    averaged weights do. taps: the layers that the loss compares. width: of the teacher's outputs,
    where the loss projects the student's to it. validation: what epochs are judged by; default
    accuracy. With `checkpoints`, the newest one there is resumed, to the very bits of an unbroken
    run on the same machine; `stop_requested` is asked in each step, and a stop saves after it.
    """
    judge = Validation(task=feed.task) if validation is None else validation
    loop = _Loop(
        model, feed, objective, settings, accelerator, teacher, (taps, width), judge, checkpoints,
        on_event,
    )  # fmt: skip
    try:
        loop.resume()
        while not loop.done:
            loop.run_epoch(stop_requested)
        loop.save()
    finally:
        loop.close()
    return Outcome(
        module=loop.result(),
        epochs=loop.epochs,
        resumed_from_steps=loop.progress.resumed_from_steps,
    )


class _Loop:
    """The state of one training: model, averaged copy, best weights, optimiser, position."""

    def __init__(
        self,
        model: nn.Module,
        feed: TrainingFeed,
        objective: Objective,
        settings: Settings,
        accelerator: Any,
        teacher: OnlineTeacher | None,
        compared: tuple[Sequence[Tap], int | None],
        judge: Validation,
        checkpoints: Path | None,
        on_event: Callable[[Event], None],
    ) -> None:
        self.feed, self.settings, self.accelerator = feed, settings, accelerator
        self.on_event, self.checkpoints, self.judge = on_event, checkpoints, judge
        self.plain = channels_last(model.to(accelerator.device))
        self.averaged = copy.deepcopy(self.plain) if settings.average else None
        self.teacher = teacher
        if settings.teach_by_average:
            assert self.averaged is not None  # the recipe's check says so in words
            self.teacher = OnlineTeacher(network=self.averaged, taps=compared[0])
        self.learner = self._learner(*compared)
        self.plain_optimizer = make_optimizer(
            self.learner,
            learning_rate=settings.learning_rate,
            weight_decay=settings.weight_decay,
            name=settings.optimizer,
        )
        prepared, optimizer = accelerator.prepare(self.learner, self.plain_optimizer)
        self.update = Update(
            learner=self.learner,
            model=prepared,
            # accelerate's wrapper asks its state what else there might be, at every step.
            optimizer=self.plain_optimizer if accelerator.scaler is None else optimizer,
            objective=objective,
            accelerator=accelerator,
            teacher=self.teacher,
            clip=settings.clip,
            accumulate=settings.accumulate,
            seed=settings.seed,
        )
        self.progress = Progress(step=0, losses=(), epochs=(), resumed_from_steps=())
        self.losses: list[float] = []
        self.best: dict[str, Tensor] | None = None
        self.saved: Progress | None = None
        self.saved_at = time.monotonic()

    def _learner(self, taps: Sequence[Tap], width: int | None) -> nn.Module:
        if not taps and width is None:
            return self.plain
        example = as_inputs(self.feed.task, self.feed.task.train.inputs[:2])
        learner = make_learner(
            self.plain,
            self.teacher,
            taps=taps,
            example=moved(example, self.accelerator.device),
            seed=self.settings.seed,
            width=width,
        )
        return channels_last(learner.to(self.accelerator.device))

    @property
    def steps(self) -> int:
        return self.settings.epochs * self.feed.steps_per_epoch

    @property
    def epochs(self) -> tuple[Epoch, ...]:
        """Those with a record; one whose last step is done but not its record is still open."""
        return tuple(Epoch(**entry) for entry in self.progress.epochs)

    @property
    def done(self) -> bool:
        epochs = self.epochs
        return len(epochs) >= self.settings.epochs or is_spent(epochs, self.settings.patience)

    @property
    def judged(self) -> nn.Module:
        """The weights that validation sees."""
        return self.plain if self.averaged is None else self.averaged

    def result(self) -> nn.Module:
        """The module to export; under early stopping with the weights of the best epoch."""
        module = self.judged
        if self.best is not None:
            module.load_state_dict(self.best)
        return module.eval()

    def close(self) -> None:
        """Take hooks out of student and teacher."""
        if isinstance(self.learner, Learner):
            self.learner.hooks.close()
        if self.teacher is not None:
            self.teacher.close()

    def resume(self) -> None:
        if self.checkpoints is None:
            return
        scaler = self.accelerator.scaler
        found = load_checkpoint(self.checkpoints, optimizer=self.plain_optimizer, scaler=scaler)
        if found is None:
            return
        progress, states = found
        self.learner.load_state_dict(states["model"])
        if self.averaged is not None:
            self.averaged.load_state_dict(states["averaged"])
        if "best" in states:
            self.best = states["best"]
        resumed = (*progress.resumed_from_steps, progress.step)
        self.progress = replace(progress, resumed_from_steps=resumed)
        self.losses = list(progress.losses)
        self._tell("resumed", f"resumed from step {progress.step}", step=progress.step)

    def save(self) -> None:
        if self.checkpoints is None or not self.accelerator.is_main_process:
            return
        self.progress = replace(self.progress, losses=tuple(self.losses))
        states = {"model": self.learner.state_dict()}
        if self.averaged is not None:
            states["averaged"] = self.averaged.state_dict()
        if self.best is not None:
            states["best"] = self.best
        save_checkpoint(
            self.checkpoints,
            self.progress,
            states=states,
            optimizer=self.plain_optimizer,
            scaler=self.accelerator.scaler,
        )
        self.saved, self.saved_at = self.progress, time.monotonic()

    def run_epoch(self, stop_requested: Callable[[], bool]) -> None:
        epoch, started = len(self.progress.epochs), time.monotonic()
        first = self.progress.step - epoch * self.feed.steps_per_epoch
        for batch in self.feed.batches(epoch, first_step=first):
            pause(stop_requested)
            step, settings = self.progress.step, self.settings
            set_rate(self.plain_optimizer, self._rate(step))
            updated = self.update(batch, step=step, steps=self.steps, stop=stop_requested)
            self.progress = replace(self.progress, step=step + 1)
            if self.averaged is not None:
                average_into(self.averaged, self.plain, decay=settings.average, step=step + 1)
                if settings.teach_by_average:
                    average_buffers(self.averaged, self.plain, decay=settings.average, step=step)
            self.losses.append(updated.loss)
            if (step + 1) % TELL_EVERY_STEPS == 0:
                self._tell("step", "", step=step + 1, at=step + 1, loss=updated.loss)
            if updated.stop:
                self._stop()
            if time.monotonic() - self.saved_at >= settings.checkpoint_every_s:
                self.save()
                if self.accelerator.num_processes == 1 and stop_requested():
                    self._stop()  # asked for while it saved; several agree in the next update
        self._finish_epoch(epoch, started, stop_requested)

    def _finish_epoch(self, epoch: int, started: float, stop_requested: Callable[[], bool]) -> None:
        def between() -> None:
            if agree(self.accelerator, stop=stop_requested()).stop:
                self._stop()

        trained, device = time.monotonic(), self.accelerator.device
        if self.averaged is not None:
            batches = (moved(batch, device) for batch in self.feed.statistics_batches())
            reestimate_batch_norm(self.averaged, batches, between=between)
        judged = self.judge(self.judged, device=device, between=between)
        accuracy, loss = as_main(self.accelerator, judged)
        entry = Epoch(
            epoch=epoch,
            train_loss=sum(self.losses) / max(1, len(self.losses)),
            validation_accuracy=accuracy,
            validation_loss=loss,
            learning_rate=self._rate(self.progress.step - 1),
            seconds=round(trained - started, 3),
            judged_s=round(time.monotonic() - trained, 3),
        )
        self.losses = []
        self.progress = replace(self.progress, epochs=(*self.progress.epochs, asdict(entry)))
        if self.settings.patience is not None and best_epoch(self.epochs) == epoch:
            self.best = copy.deepcopy(self.judged.state_dict())
        self._tell(
            "epoch",
            f"epoch {epoch + 1} of {self.settings.epochs}: loss {entry.train_loss:.4f}, "
            f"{self.judge.words(accuracy)}",
            step=(epoch + 1) * self.feed.steps_per_epoch,
            **asdict(entry),
        )

    def _stop(self) -> None:
        if self.saved != self.progress:  # a large one twice may outlast the grace of a stop
            self.save()
        raise Interrupted(
            f"training stopped at step {self.progress.step} of {self.steps}",
            signal_number=15,
            cure="run the same command again to go on",
        )

    def _rate(self, step: int) -> float:
        settings = self.settings
        return rate_at(
            step,
            schedule=settings.schedule,
            steps=self.steps,
            peak=settings.learning_rate,
            warmup=settings.warmup,
        )

    def _tell(self, kind: str, message: str, *, step: int, **data: Any) -> None:
        if self.accelerator.is_main_process:
            self.on_event(
                Event(
                    kind=kind,
                    stage="train",
                    message=message,
                    progress=step / self.steps,
                    data=data,
                )
            )
