"""Why a hint of weight 100 hurts the student of study.py: its pull against that of KD, measured.

    python examples/fashion/hint_gradients.py    # seeds that are not there yet: 30 min on one CPU
    python examples/fashion/hint_gradients.py --table

The arms are trained side by side on the same batches, so the teacher answers once for all: KD
alone, and KD with a hint of weight 1, 10 and 100; of 100 in the first half alone, which tells
whether the hint harms where training ends or where it begins; and of 100 with a rate 100 times
lower for the adapter and what lies under the layer, which tells whether it is the size of the
steps. Every 25th step the gradients of KD and of the hint, each by itself, are compared over the
parameters that lie under the layer. A seed is a line of docs/results/fashion-hint.jsonl.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from model import teacher as resnet  # beside this file
from torch import Tensor, nn

from benchmarks.environment import machine_fingerprint
from compress.distill.learner import Learner, make_learner
from compress.distill.losses.hint import hint
from compress.distill.losses.kd import kd
from compress.distill.losses.labels import labels
from compress.distill.schedule import rate_at
from compress.distill.teaching import OnlineTeacher
from compress.pipeline.run import prepare
from compress.recipe.load import load_recipe
from compress.recipe.loss_needs import Tap
from compress.students.build import build_student
from compress.tasks.batches import epoch_rows
from compress.tasks.data import Task
from compress.tasks.views import as_inputs, view_inputs
from exporters.weights import load_weights

HERE = Path(__file__).resolve().parent
RESULTS = HERE.parents[1] / "docs" / "results" / "fashion-hint.jsonl"
TAP = Tap(student="stages.1", teacher="stages.5", adapted=True)
UNDER = ("stem.", "stages.0.", "stages.1.")  # of the student, up to the layer that the hint sees
EPOCHS, STEPS, BATCH, RATE, DECAY = 6, 160, 128, 0.15, 5e-4  # STEPS of 429, of every epoch
TEMPERATURE, KD_WEIGHT = 4.0, 0.9
EVERY, SEEDS = 25, range(2)


@dataclass(frozen=True, slots=True, kw_only=True)
class Arm:
    """weight: of the hint; until: the part of all steps in which it counts; slower: by how much
    the rate of the adapter and under the layer is divided."""

    weight: float
    until: float = 1.0
    slower: float = 1.0


ARMS: Mapping[str, Arm] = {
    "kd": Arm(weight=0.0),
    "hint at 1": Arm(weight=1.0),
    "hint at 10": Arm(weight=10.0),
    "hint at 100": Arm(weight=100.0),
    "hint at 100, first half": Arm(weight=100.0, until=0.5),
    "hint at 100, slower": Arm(weight=100.0, slower=100.0),
}


class Training:
    """One arm: its learner, its optimiser and what was seen of its gradients."""

    def __init__(self, arm: Arm, student: nn.Module, teacher: OnlineTeacher, task: Task, seed: int):
        example = as_inputs(task, task.train.inputs[:2])
        self.arm = arm
        self.learner: Learner = make_learner(
            student, teacher, taps=(TAP,), example=example, seed=seed
        )
        self.under = [p for name, p in student.named_parameters() if name.startswith(UNDER)]
        hinted = [*self.under, *self.learner.adapters.parameters()]
        held = {id(p) for p in hinted}
        above = [p for p in self.learner.parameters() if id(p) not in held]
        groups = [{"params": hinted, "slower": arm.slower}, {"params": above, "slower": 1.0}]
        self.optimizer = torch.optim.SGD(
            groups, lr=RATE, momentum=0.9, nesterov=True, weight_decay=DECAY
        )
        self.seen: list[dict[str, float]] = []

    def step(self, inputs: Tensor, target: Tensor, taught: Any, *, at: int, steps: int) -> None:
        scores, features, _ = self.learner(inputs)
        soft = kd(scores, taught.scores, temperature=TEMPERATURE)
        answers = KD_WEIGHT * soft + (1 - KD_WEIGHT) * labels(scores, target)
        apart = hint(features[0], taught.features[TAP.teacher])
        if at % EVERY == 0:
            losses = {"kd_loss": float(answers.detach()), "hint_loss": float(apart.detach())}
            self.seen.append({"step": at, **losses, **self._pull(answers, apart)})
        weight = self.arm.weight if at < self.arm.until * steps else 0.0
        self.optimizer.zero_grad(set_to_none=True)
        (answers + weight * apart).backward()
        rate = rate_at(at, schedule="one-cycle", steps=steps, peak=RATE, warmup=0.2)
        for group in self.optimizer.param_groups:
            group["lr"] = rate / group["slower"]
        self.optimizer.step()

    def _pull(self, answers: Tensor, apart: Tensor) -> dict[str, float]:
        """Length of the hint's gradient at weight 1 by that of the answers, and their cosine."""
        pair = []
        for loss in (answers, apart):
            parts = torch.autograd.grad(loss, self.under, retain_graph=True)
            pair.append(torch.cat([part.flatten() for part in parts]))
        own, other = pair
        cosine = float(torch.nn.functional.cosine_similarity(own, other, dim=0))
        return {"ratio": float(other.norm() / own.norm()), "cosine": cosine}

    def accuracy(self, task: Task) -> float:
        """Of the validation images."""
        student = self.learner.student.eval()
        right, held = 0, task.validation
        with torch.no_grad():
            for at in range(0, len(held), 500):
                answers = student(*as_inputs(task, held.inputs[at : at + 500])).argmax(1).numpy()
                right += int((answers == held.labels[at : at + 500]).sum())
        return right / len(held)


def run_seed(seed: int) -> dict[str, Any]:
    """All arms from one seed, on the same batches."""
    started = time.monotonic()
    context = prepare(load_recipe(HERE / "study.yaml"), cache=HERE.parents[1] / ".distil")
    task, student = context.task, context.recipe.student
    network = resnet()
    network.load_state_dict(load_weights(HERE / "teacher.safetensors"))
    teacher = OnlineTeacher(network=network, taps=(TAP,))
    trainings = {
        name: Training(arm, build_student(student, folder=HERE, seed=seed), teacher, task, seed)
        for name, arm in ARMS.items()
    }
    for step in range(EPOCHS * STEPS):
        epoch, index = divmod(step, STEPS)
        if index == 0:
            rows = epoch_rows(task, BATCH, seed=seed, epoch=epoch)
            print(f"  epoch {epoch + 1} of {EPOCHS}", flush=True)
        part = rows[index * BATCH : (index + 1) * BATCH]
        (inputs,) = view_inputs(task, task.train, part, seed=seed, view=epoch)
        target, taught = torch.from_numpy(task.train.labels[part]), teacher((inputs,))
        for training in trainings.values():
            training.step(inputs, target, taught, at=step, steps=EPOCHS * STEPS)
    arms = [
        {"name": name, "validation_accuracy": one.accuracy(task), "seen": one.seen}
        for name, one in trainings.items()
    ]
    seconds = round(time.monotonic() - started, 1)
    return {"seed": seed, "arms": arms, "seconds": seconds, "machine": dict(machine_fingerprint())}


def table(done: Sequence[Mapping[str, Any]]) -> str:
    """Markdown: means over seeds; gradients by their median in the last third of training."""
    lines = [f"{len(done)} of {len(SEEDS)} seeds.", ""]
    lines.append(
        "| arm | validation | loss of the answers | hint | hint's gradient by KD's, at weight 1 "
        "| times the weight | cosine |"
    )
    lines.append("| --- | --: | --: | --: | --: | --: | --: |")
    for index, (name, arm) in enumerate(ARMS.items() if done else ()):
        over = [line["arms"][index] for line in done]
        late = [one for each in over for one in each["seen"][-len(each["seen"]) // 3 :]]
        seen = {key: float(np.median([one[key] for one in late])) for key in late[0]}
        accuracy = 100 * float(np.mean([each["validation_accuracy"] for each in over]))
        pull = seen["ratio"] * arm.weight if arm.until == 1 else 0.0
        lines.append(
            f"| {name} | {accuracy:.2f} % | {seen['kd_loss']:.3f} | {seen['hint_loss']:.3f} "
            f"| {seen['ratio']:.2f} | {pull:.1f} | {seen['cosine']:+.2f} |"
        )
    return "\n".join(lines)


def read_done() -> list[dict[str, Any]]:
    """The seeds that are there."""
    lines = RESULTS.read_text().splitlines() if RESULTS.exists() else []
    return [json.loads(line) for line in lines]


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--table", action="store_true")
    chosen = parser.parse_args()
    for seed in () if chosen.table else SEEDS:
        if any(line["seed"] == seed for line in read_done()):
            continue
        print(f"seed {seed}", flush=True)
        line = run_seed(seed)
        with RESULTS.open("a") as stream:
            stream.write(f"{json.dumps(line)}\n")
    print(table(read_done()))


if __name__ == "__main__":
    main()
