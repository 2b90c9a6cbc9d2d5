"""One update of the weights: clipped, and refused where its gradient is no number."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import pytest
import torch
from accelerate import Accelerator
from small_training import bars_task, fit
from torch import Tensor, nn

from compress.distill.feed import Batch
from compress.distill.objective import build_objective
from compress.distill.optimizer import make_optimizer
from compress.distill.update import Update
from compress.errors import TrainingDiverged
from compress.recipe.loss_nodes import LabelsLoss

BATCH = Batch(
    inputs=(torch.linspace(-2, 2, 60).reshape(12, 5),),
    target=torch.arange(12) % 3,
    teacher=None,
)


class Rootless(nn.Module):
    """Its loss is always finite; the gradient of its `bad` calls in training is no number."""

    def __init__(self, *bad: int) -> None:
        super().__init__()
        self.bad, self.calls = bad, 0
        self.head = nn.Linear(5, 3)

    def forward(self, rows: Tensor) -> Tensor:
        scores: Tensor = self.head(rows.flatten(1)[:, :5])
        if not self.training:
            return scores
        self.calls += 1
        if self.calls in self.bad:
            scores = scores + (self.head.bias.sum() * 0.0).sqrt()
        return scores


def update(
    module: nn.Module,
    *,
    rate: float,
    clip: float | None,
    accelerator: Accelerator | None = None,
    name: Literal["plain", "adamw"] = "plain",
) -> Update:
    accelerator = accelerator or Accelerator(cpu=True)
    plain = torch.optim.SGD(module.parameters(), lr=rate)
    fused = make_optimizer(module, learning_rate=rate, weight_decay=0.0, name="adamw")
    optimizer = accelerator.prepare(plain if name == "plain" else fused)
    return Update(
        learner=module,
        model=module,
        optimizer=optimizer,
        objective=build_objective(LabelsLoss(kind="labels")),
        accelerator=accelerator,
        teacher=None,
        clip=clip,
        accumulate=1,
        seed=0,
    )


def moved_by(module: nn.Module, step: Update, at: int = 0) -> float:
    before = torch.cat([p.detach().flatten().clone() for p in module.parameters()])
    step(BATCH, step=at, steps=10, stop=lambda: False)
    after = torch.cat([p.detach().flatten() for p in module.parameters()])
    return float((after - before).norm())


def head() -> nn.Module:
    torch.manual_seed(0)
    module = nn.Linear(5, 3)
    with torch.no_grad():
        module.weight.mul_(20)  # wrong and sure: a large gradient
    return module


def test_clip_bounds_an_update() -> None:
    free = moved_by(module := head(), update(module, rate=0.1, clip=None))
    clipped = moved_by(module := head(), update(module, rate=0.1, clip=0.01))
    loose = moved_by(module := head(), update(module, rate=0.1, clip=1e6))
    assert free > 0.1
    assert clipped == pytest.approx(0.1 * 0.01, rel=1e-3)
    assert loose == pytest.approx(free, rel=1e-6)


@pytest.mark.parametrize("clip", [None, 1.0])
def test_a_gradient_that_is_no_number_changes_no_weight(clip: float | None) -> None:
    module = Rootless(1)
    before = {name: value.clone() for name, value in module.state_dict().items()}
    step = update(module, rate=0.1, clip=clip)
    with pytest.raises(TrainingDiverged, match="norm of the gradient is nan at step 4 of 10"):
        step(BATCH, step=4, steps=10, stop=lambda: False)
    assert all(torch.equal(before[name], value) for name, value in module.state_dict().items())


@pytest.mark.parametrize("clip", [None, 1.0])
def test_a_training_keeps_its_last_good_checkpoint(tmp_path: Path, clip: float | None) -> None:
    with pytest.raises(TrainingDiverged, match="norm of the gradient is nan at step 3 of 18"):
        fit(Rootless(4), bars_task(), checkpoints=tmp_path, clip=clip)
    newest = max(tmp_path.glob("*.ckpt"))
    assert newest.name == "step-000000003.ckpt"
    resumed = fit(Rootless(), bars_task(), checkpoints=tmp_path, clip=clip)
    assert resumed.resumed_from_steps == (3,)
    assert all(torch.isfinite(value).all() for value in resumed.module.state_dict().values())


def test_a_step_that_a_scaler_skips_is_none_that_diverged() -> None:
    accelerator = Accelerator(cpu=True)
    accelerator.scaler = torch.amp.GradScaler("cpu", init_scale=1024.0)
    module = Rootless(1)
    step = update(module, rate=0.1, clip=None, accelerator=accelerator)
    assert moved_by(module, step) == 0.0
    assert accelerator.scaler.get_scale() == 512.0
    assert moved_by(module, step, at=1) > 0.01


def test_a_scaler_that_skips_for_ever_is_stopped() -> None:
    """A gradient that is no number at any scale: not one that a smaller scale would have saved."""
    accelerator = Accelerator(cpu=True)
    accelerator.scaler = torch.amp.GradScaler("cpu")
    module = Rootless(*range(100))
    before = {name: value.clone() for name, value in module.state_dict().items()}
    step = update(module, rate=0.1, clip=None, accelerator=accelerator)
    assert sum(moved_by(module, step, at=at) for at in range(30)) == 0.0
    with pytest.raises(TrainingDiverged, match="not finite in float16 at step 30 of 100"):
        step(BATCH, step=30, steps=100, stop=lambda: False)
    assert all(torch.equal(before[name], value) for name, value in module.state_dict().items())


def test_a_fused_optimizer_that_skips_for_ever_is_stopped_too() -> None:
    accelerator = Accelerator(cpu=True)
    accelerator.scaler = torch.amp.GradScaler("cpu")
    module = Rootless(*range(100))
    step = update(module, rate=0.1, clip=None, accelerator=accelerator, name="adamw")
    assert sum(moved_by(module, step, at=at) for at in range(30)) == 0.0
    with pytest.raises(TrainingDiverged, match="not finite in float16 at step 30 of 100"):
        step(BATCH, step=30, steps=100, stop=lambda: False)


def test_a_small_scale_alone_stops_nothing() -> None:
    accelerator = Accelerator(cpu=True)
    accelerator.scaler = torch.amp.GradScaler("cpu", init_scale=2.0**-20)
    module = Rootless()
    assert moved_by(module, update(module, rate=0.1, clip=None, accelerator=accelerator)) > 0.01
