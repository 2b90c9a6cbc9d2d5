"""Training as a job of its own: a spec on disk in, weights and a history on disk out.

The child of `launch.py`, alone or as several processes. It takes nothing from
its parent but the spec, tells what it does in `events.jsonl`, and ends with its parent.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from filelock import FileLock
from numpy.typing import NDArray
from pydantic import TypeAdapter
from torch import nn

from compress.distill.axes import teacher_axes, teacher_width
from compress.distill.devices import make_accelerator
from compress.distill.evaluate import Validation
from compress.distill.feed import TrainingFeed
from compress.distill.lifeline import end_with_parent, leave
from compress.distill.objective import build_objective
from compress.distill.precision import try_precisions
from compress.distill.settings import settings_of
from compress.distill.teaching import OnlineTeacher, online
from compress.distill.trackers import tracking
from compress.distill.trainer import train
from compress.errors import DistilError, Interrupted, MachineFailed
from compress.recipe.loss_needs import Tap, needs_axes, needs_projection, needs_teacher, taps_of
from compress.recipe.nodes import Distill, TaskNode, TeacherNode
from compress.recipe.student_nodes import BuiltStudent
from compress.recipe.targets import failed_line
from compress.students.build import build_student
from compress.students.counts import count_macs, count_parameters
from compress.tasks.build import build_task
from compress.tasks.data import Task
from compress.tasks.views import as_inputs
from compress.teachers.build import build_teacher, onnx_teacher
from compress.teachers.stored import open_outputs
from compress.values import History
from exporters.atomic import write_json, write_text
from exporters.events import Event
from exporters.weights import save_weights


@dataclass(frozen=True, slots=True, kw_only=True)
class JobSpec:
    """Everything that the child needs; paths are absolute. mode `precision` only times steps."""

    mode: Literal["train", "precision"]
    task: dict[str, Any]
    student: dict[str, Any]
    distill: dict[str, Any]
    folder: str
    cache: str
    data_folder: str | None
    seed: int
    threads: int
    precision: str
    teacher_outputs: tuple[str, ...]
    workdir: str
    parent_pid: int
    teacher: dict[str, Any] | None = None  # its node, where it answers in the loop
    teacher_file: str | None = None  # its ONNX form, which answers where it is given
    embeddings: str | None = None  # the teacher's of validation samples: .npy
    run: str = "train"  # the name that trackers show
    quantized: str | None = None  # a static int8 file whose rounding is trained instead
    original: str | None = None  # the float file that it was made of


Build = Callable[[JobSpec, Task], nn.Module]


def student_of(spec: JobSpec, task: Task) -> nn.Module:
    """The untrained student, by the recipe's node."""
    node: Any = TypeAdapter(BuiltStudent).validate_python(spec.student)
    seed = Distill.model_validate(spec.distill).seed
    return build_student(
        node, folder=Path(spec.folder), seed=spec.seed if seed is None else seed, task=task
    )


def run_job(spec: JobSpec, build: Build = student_of) -> None:
    """Train (or time steps) as the spec says what `build` gives; results are files in its
    workdir."""
    workdir = Path(spec.workdir)
    torch.set_num_threads(spec.threads)
    torch.set_flush_denormal(True)
    node = Distill.model_validate(spec.distill)
    start = spec.seed if node.seed is None else node.seed
    torch.manual_seed(start)
    task_node: Any = TypeAdapter(TaskNode).validate_python(spec.task)
    folder = Path(spec.folder)
    tell = _event_file(workdir / "events.jsonl")
    task = build_task(
        task_node,
        folder=folder,
        seed=spec.seed,
        cache=Path(spec.cache),
        data_folder=Path(spec.data_folder) if spec.data_folder else None,
        on_event=lambda event: tell(event) if event.kind == "test-read" else None,
    )
    model = build(spec, task)
    outputs = [
        open_outputs(Path(path), samples=len(task.train), classes=task.width)
        for path in spec.teacher_outputs
    ]
    accelerator = make_accelerator(node.device, precision=spec.precision)
    feed = TrainingFeed(
        task=task,
        batch=min(node.batch, len(task.train)),
        seed=spec.seed,
        order_seed=start,
        teacher_outputs=outputs or None,
        process=accelerator.process_index,
        processes=accelerator.num_processes,
        mixup=node.mixup,
        # Steps are timed on any samples: of embeddings none has a label.
        labelled_only=spec.mode == "train" and not needs_teacher(node.loss),
    )
    if spec.mode == "precision":
        objective = build_objective(node.loss, soft_labels=node.mixup is not None)
        seconds = try_precisions(
            model, feed=feed, objective=objective, device=accelerator.device.type
        )
        write_json(workdir / "precision.json", dict(seconds))
        return
    example = as_inputs(task, task.train.inputs[:1])
    parameters, macs = count_parameters(model), count_macs(model, *example)
    taps = taps_of(node.loss)
    teacher = loop_teacher(spec, taps, task, device=accelerator.device)
    axes = (
        teacher_axes(model, task, outputs=outputs, teacher=teacher)
        if needs_axes(node.loss)
        else None
    )
    width = None
    if needs_projection(node.loss):
        width = teacher_width(task, outputs=outputs, teacher=teacher)
    objective = build_objective(node.loss, soft_labels=node.mixup is not None, axes=axes)
    with _tracked(node, spec, accelerator) as track:

        def tell_all(event: Event) -> None:
            tell(event)
            track(event)

        outcome = train(
            model,
            feed=feed,
            objective=objective,
            settings=settings_of(node, seed=start),
            accelerator=accelerator,
            teacher=teacher,
            taps=taps,
            width=width,
            validation=Validation(task=task, embeddings=_embeddings(spec)),
            checkpoints=workdir,
            stop_requested=_stop_flag(),
            on_event=tell_all,
        )
    if accelerator.is_main_process:
        history = History(
            epochs=outcome.epochs,
            precision=spec.precision,
            processes=accelerator.num_processes,
            resumed_from_steps=outcome.resumed_from_steps,
            parameters=parameters,
            macs=macs,
        )
        write_json(workdir / "history.json", asdict(history))
        save_weights(workdir / "weights.safetensors", outcome.module.cpu().state_dict())
    accelerator.end_training()


def loop_teacher(
    spec: JobSpec, taps: Sequence[Tap], task: Task, *, device: torch.device
) -> OnlineTeacher | None:
    """The teacher that answers in the loop; None where its outputs are stored or it is none."""
    if spec.teacher_file is not None:
        file = Path(spec.teacher_file)
        teacher = onnx_teacher(
            file, digest="", threads=spec.threads, device=device.type, input_names=task.input_names
        )
        return online(teacher, taps=taps, device=device)
    if spec.teacher is None:
        return None
    node: Any = TypeAdapter(TeacherNode).validate_python(spec.teacher)
    teacher = build_teacher(
        node,
        folder=Path(spec.folder),
        threads=spec.threads,
        classes=task.width,
        device=device.type,
        input_names=task.input_names,
    )
    return online(teacher, taps=taps, device=device)


def _embeddings(spec: JobSpec) -> NDArray[np.float32] | None:
    if spec.embeddings is None:
        return None
    found: NDArray[np.float32] = np.load(spec.embeddings, allow_pickle=False)
    return found


@contextmanager
def _tracked(node: Distill, spec: JobSpec, accelerator: Any) -> Iterator[Callable[[Event], None]]:
    """One of several processes tells the trackers."""
    if not accelerator.is_main_process:
        yield lambda event: None
        return
    folder, work = Path(spec.folder), Path(spec.workdir)
    with tracking(node.trackers, folder=folder, run=spec.run, work=work) as track:
        yield track


def main(spec_path: str, build: Build = student_of) -> int:
    """The exit code of the job; an error is left in `error.json` for the parent."""
    spec = JobSpec(**json.loads(Path(spec_path).read_text()))
    workdir = Path(spec.workdir)
    rank = os.environ.get("RANK")
    end_with_parent(spec.parent_pid if rank is None else os.getppid())
    try:
        # The job of a killed parent may still be saving: wait for it rather than race it.
        with FileLock(workdir / f"job-{rank or 0}.lock"):
            run_job(spec, build)
    except Interrupted:
        return 128 + signal.SIGTERM
    except DistilError as error:
        return _leave(error, workdir)
    except Exception as error:
        traceback.print_exc()  # to job.log
        return _leave(_foreign(error, spec), workdir)
    return 0


def _leave(error: DistilError, workdir: Path) -> int:
    about = {
        "type": type(error).__name__,
        "what": error.what,
        "where": error.where,
        "cure": error.cure,
    }
    write_text(workdir / "error.json", json.dumps(about))
    return error.exit_code


def _foreign(error: Exception, spec: JobSpec) -> DistilError:
    """What torch or the user's module raised, with the line of theirs that did it."""
    said = str(error).strip() or "no message"
    if isinstance(error, MemoryError) or "can't allocate memory" in said:
        return MachineFailed("out of memory", where="distill", cure="lower `distill.batch`")
    where = failed_line(error, Path(spec.folder)) or "distill"
    cure = f"the whole traceback is in {Path(spec.workdir) / 'job.log'}"
    what = f"{type(error).__name__}: {said.splitlines()[0][:300]} (in training)"
    kind = MachineFailed if isinstance(error, OSError) else DistilError
    return kind(what, where=where, cure=cure)


def _stop_flag() -> Callable[[], bool]:
    """True once SIGTERM or SIGINT has come; a second SIGINT ends at once."""
    seen: list[int] = []

    def handle(number: int, frame: object) -> None:
        if seen and number == signal.SIGINT:
            os._exit(128 + number)
        seen.append(number)

    signal.signal(signal.SIGTERM, handle)
    signal.signal(signal.SIGINT, handle)
    return lambda: bool(seen)


def _event_file(path: Path) -> Callable[[Event], None]:
    def tell(event: Event) -> None:
        with path.open("a", encoding="utf-8") as stream:
            stream.write(json.dumps(asdict(event)) + "\n")

    return tell


if __name__ == "__main__":
    leave(main(sys.argv[1]))
