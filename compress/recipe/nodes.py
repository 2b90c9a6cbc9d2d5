"""What the user asks for: frozen pydantic nodes, tagged by `kind`. No torch, nothing that acts."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Discriminator, Field, Tag

from compress.recipe.audio_nodes import AudioFolderTask as AudioFolderTask
from compress.recipe.budget_node import Budget as Budget
from compress.recipe.budget_node import Identifier
from compress.recipe.loss_nodes import KdLoss as KdLoss
from compress.recipe.loss_nodes import LabelsLoss as LabelsLoss
from compress.recipe.loss_nodes import LossNode as LossNode
from compress.recipe.node import Node as Node
from compress.recipe.qat_nodes import QatQuantize as QatQuantize
from compress.recipe.student_nodes import AutoStudent as AutoStudent
from compress.recipe.student_nodes import FactoryStudent as FactoryStudent
from compress.recipe.student_nodes import PythonStudent as PythonStudent
from compress.recipe.student_nodes import Search as Search
from compress.recipe.student_nodes import StudentNode as StudentNode
from compress.recipe.teacher_nodes import OnnxTeacher as OnnxTeacher
from compress.recipe.teacher_nodes import OutputsTeacher as OutputsTeacher
from compress.recipe.teacher_nodes import PythonTeacher as PythonTeacher
from compress.recipe.teacher_nodes import RunTeacher as RunTeacher
from compress.recipe.teacher_nodes import SeveralTeacher as SeveralTeacher
from compress.recipe.teacher_nodes import TeacherNode as TeacherNode
from compress.recipe.teacher_nodes import TorchTeacher as TorchTeacher
from compress.recipe.teacher_nodes import TransformersTeacher as TransformersTeacher
from compress.recipe.text_nodes import Outputs
from compress.recipe.text_nodes import TextTask as TextTask
from compress.recipe.units import (
    DurationText,
    PercentagePoints,
    Text,
)


class Augment(Node):
    """Random crop after padding (pixels), horizontal flip, random erasing (probability)."""

    crop: int = Field(default=0, ge=0, le=64)
    flip: bool = False
    erase: float = Field(default=0.0, ge=0, le=1)


class ImageTask(Node):
    """Fields that every image task has. Validation samples are taken from the training split."""

    validation: int = Field(default=5000, ge=1)
    labelled: int | None = Field(default=None, ge=1)  # training labels that are known; default all
    outputs: Outputs = "classes"
    augment: Augment = Augment()


class ImageArraysTask(ImageTask):
    """IDX (also .gz) or npz arrays; `source` names a known data set, or `data` a folder or file."""

    kind: Literal["image-arrays"]
    source: Literal["fashion-mnist"] | None = None
    data: str | None = None
    classes: tuple[str, ...] | None = None


class ImageFolderTask(ImageTask):
    """A folder per class of PNG or JPEG files, resized to `size` pixels (square).

    columns: a CSV, TSV, JSONL or Parquet table with a column `file` (paths below data); the values
    of its other columns are slices of the test split.
    """

    kind: Literal["image-folder"]
    data: str
    columns: str | None = None
    size: int = Field(default=32, ge=8, le=512)
    channels: Literal[1, 3] = 3
    test: int | None = Field(
        default=None, ge=1
    )  # held out where there is no test/ folder; default 20 %
    validation: int = Field(default=0, ge=0)  # 0: 10 % of what is left


class PythonTask(Node):
    """`target` is a function without arguments that returns a compress.tasks.ArrayData."""

    kind: Literal["python"]
    target: str
    validation: int = Field(default=0, ge=0)  # 0: the function gives one, or 10 % of train
    labelled: int | None = Field(default=None, ge=1)
    outputs: Outputs = "classes"
    augment: Augment = Augment()


TaskNode = Annotated[
    ImageArraysTask | ImageFolderTask | TextTask | AudioFolderTask | PythonTask,
    Field(discriminator="kind"),
]


class Stored(Node):
    """How teacher outputs are stored. top_k: logits kept; all to 1,000 classes, else 100."""

    dtype: Literal["float32", "float16"] = "float32"
    top_k: int | None = Field(default=None, ge=1)


class Trackers(Node):
    """Where the curves of a training go, besides its history. tensorboard: a folder beside the
    recipe. mlflow: address of a tracking server, or sqlite:///FILE beside the recipe. Each needs
    the extra of its name."""

    tensorboard: str | None = None
    mlflow: str | None = None


class Distill(Node):
    """How the student is trained. views: stored augmented views of the teacher's outputs."""

    loss: LossNode
    epochs: int = Field(default=12, ge=1)
    batch: int = Field(default=128, ge=2)
    optimizer: Literal["sgd", "adamw"] = "sgd"
    learning_rate: float = Field(default=0.15, gt=0)  # of adamw 1e-5 to 1e-3
    weight_decay: float = Field(default=5e-4, ge=0)
    warmup: float = Field(default=0.2, gt=0, lt=1)  # part of all steps in which the rate rises
    schedule: Literal["one-cycle", "cosine", "constant"] = "one-cycle"
    average: float = Field(default=0.999, ge=0, lt=1)  # decay of the averaged weights; 0: none
    clip: float | None = Field(default=None, gt=0)
    accumulate: int = Field(default=1, ge=1)  # parts that the batch of a step is computed in
    patience: int | None = Field(default=None, ge=1)  # epochs to wait for a better one
    mixup: float | None = Field(default=None, gt=0)  # alpha of its Beta distribution
    teach_by: Literal["teacher", "average"] = "teacher"  # average: the student's averaged weights
    device: Literal["cpu", "cuda"] = "cpu"
    trackers: Trackers = Trackers()
    seed: int | None = Field(default=None, ge=0)  # of start and order; default the recipe's
    views: int = Field(default=4, ge=1)
    reuse_teacher_outputs: bool = True
    stored: Stored = Stored()
    processes: int = Field(default=1, ge=1)
    checkpoint_every: DurationText = "60s"  # time between checkpoints, with unit
    precision: Literal["auto", "float32", "bfloat16", "float16"] = "auto"


class Export(Node):
    """The ONNX file and how closely it must follow the torch student."""

    opset: int | None = Field(default=None, ge=17)
    samples: int = Field(default=256, ge=1)
    atol: float = Field(default=1e-3, gt=0)
    rtol: float = Field(default=1e-3, gt=0)
    # inside: the files take raw samples, and scale and resize them themselves.
    preprocess: Literal["outside", "inside"] = "outside"


class NoQuantize(Node):
    """Ship the float file."""

    kind: Literal["none"]


class StaticQuantize(Node):
    """int8, calibrated on training samples.

    `static`: all that has a static form, held to accuracy alone. `auto`: the fastest mix that is
    found on validation, kept where it is faster than the float file. calibration: how ranges are
    found.
    """

    kind: Literal["static", "auto"]
    calibration: Literal["minmax", "percentile", "entropy", "mse"] = "minmax"
    samples: int = Field(default=512, ge=1)
    max_drop: PercentagePoints = Field(default="0.5pp", validate_default=True)


class SchemeQuantize(Node):
    """One scheme by name, held to max_drop of accuracy alone.

    dynamic: matrix products in int8 with ranges as they come, of a batch; row: of a token or a
    sample. weight-only: their weights in blocks of 8 or 4 bits. float16, bfloat16: storage; the
    file computes in float32.
    """

    kind: Literal["dynamic", "row", "weight-only", "float16", "bfloat16"]
    bits: Literal[4, 8] = 8  # of weight-only
    samples: int = Field(default=512, ge=1)
    max_drop: PercentagePoints = Field(default="0.5pp", validate_default=True)


QuantizeNode = Annotated[
    NoQuantize | StaticQuantize | SchemeQuantize | QatQuantize, Field(discriminator="kind")
]


class Bench(Node):
    """What is timed. epochs: fresh process pairs."""

    devices: tuple[Literal["cpu", "cuda", "tensorrt"], ...] = ("cpu",)
    batch: tuple[Annotated[int, Field(ge=1)], ...] = (1, 32)
    threads: tuple[Annotated[int, Field(ge=1)], ...] = (1,)
    epochs: int = Field(default=12, ge=3)
    tokens: int | None = Field(default=None, ge=1)  # of every text: it is cut or padded
    cpu_nodes: int = Field(default=0, ge=0)  # that may run on the CPU where a GPU is asked for


class Target(Node):
    """A machine and a setting that the student is deployed on; each gets a file of its own.

    cpu_flags: what its processor can do, as in /proc/cpuinfo, where that isn't this one. quantize:
    by default the recipe's. The rest as in `bench`.
    """

    id: Identifier
    device: Literal["cpu", "cuda", "tensorrt"] = "cpu"
    batch: tuple[Annotated[int, Field(ge=1)], ...] = (1, 32)
    threads: tuple[Annotated[int, Field(ge=1)], ...] = (1,)
    epochs: int = Field(default=12, ge=3)
    tokens: int | None = Field(default=None, ge=1)
    cpu_nodes: int = Field(default=0, ge=0)
    cpu_flags: tuple[Text, ...] | None = None
    quantize: QuantizeNode | None = None


class Slices(Node):
    """Parts of the test split that are judged on their own; by default all that the data has."""

    by: tuple[Text, ...] | None = None  # class, brightness, length, confidence, a column's name
    corruptions: tuple[Literal["noise", "blur", "contrast", "typos"], ...] | None = None
    samples: int = Field(default=2000, ge=50)  # test samples that are corrupted, at most


SlicesNode = Annotated[
    Annotated[Slices, Tag("some")] | Annotated[Literal["none"], Tag("none")],
    Discriminator(lambda value: "none" if isinstance(value, str) else "some"),
]


class Controls(Node):
    """Extra rows of the report that say what distillation and quantization each added."""

    labels_only: bool = False  # the same student, on labels alone, for equal steps
    teacher_quantized: bool = False  # the teacher, by the same quantize stage


ControlsNode = Annotated[
    Annotated[Controls, Tag("rows")] | Annotated[Literal["all", "none"], Tag("none")],
    Discriminator(lambda value: "none" if isinstance(value, str) else "rows"),
]


class Recipe(Node):
    """One run. Without a teacher it trains on labels; without budgets nothing is judged."""

    schema_: Literal[1] = Field(alias="schema")  # the file format's version
    name: Identifier
    seed: int = Field(default=0, ge=0)
    task: TaskNode
    teacher: TeacherNode | None = None
    student: StudentNode
    search: Search = Search()
    distill: Distill
    export: Export = Export()
    quantize: QuantizeNode = NoQuantize(kind="none")
    bench: Bench = Bench()
    targets: tuple[Target, ...] = ()  # instead of `bench`
    budgets: tuple[Budget, ...] = ()
    controls: ControlsNode = "all"  # those that the recipe has a teacher and quantization for
    slices: SlicesNode = Slices()
    decisions: dict[Literal["precision", "quantize"], Text] = Field(default={})  # pinned choices
