"""Values that flow through `compress`: frozen, keyword-only, units and axes in the names."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from benchmarks.values import Environment, Measured, Setting
from compress.answers import (
    Added,
    ClassChange,
    Fidelity,
    LedgerStep,
    MetricChange,
    MetricValue,
    NodeCost,
    PairedQuality,
    Quality,
    Slice,
)
from compress.trials import Relaxation, SearchFacts, Trial
from exporters.values import Parity

__all__ = [
    "REPORT_VERSION",
    "Added",
    "BudgetLine",
    "ClassChange",
    "Decision",
    "Epoch",
    "ExportFacts",
    "Fidelity",
    "History",
    "LedgerStep",
    "MetricChange",
    "MetricValue",
    "ModelFacts",
    "NodeCost",
    "PairedQuality",
    "Part",
    "Quality",
    "Relaxation",
    "Report",
    "SearchFacts",
    "SizeStep",
    "Slice",
    "StageRecord",
    "Status",
    "TensorFacts",
    "Trial",
    "Verdict",
]

Status = Literal["pass", "violated", "inconclusive", "waived", "unmeasured"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """A choice that depends on a clock: stored before it is used, replayed on resume.

    evidence holds the numbers that it rests on; pinned says that the recipe made the choice.
    """

    question: str  # "precision", "quantize"
    chosen: str
    reason: str
    evidence: dict[str, Any] = field(default_factory=dict)
    pinned: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Epoch:
    """One epoch of training. Accuracy in [0, 1], of the averaged weights on validation; of
    embeddings Spearman's correlation with the teacher's similarities stands in its place. seconds:
    of its steps; judged_s: of looking at validation afterwards, 0 where it was not told."""

    epoch: int
    train_loss: float
    validation_accuracy: float
    validation_loss: float
    learning_rate: float
    seconds: float
    judged_s: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """The record of one training job."""

    epochs: tuple[Epoch, ...]
    precision: str  # float32, bfloat16, float16
    processes: int
    resumed_from_steps: tuple[int, ...]
    parameters: int
    macs: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One slice under a budget. status as of a verdict; warning: it blocks nothing."""

    name: str
    status: Status
    observed: str
    reason: str
    warning: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """One budget, judged. Texts carry their units; margin is signed, positive is room left.

    missing: what an unmeasured budget lacks; no baseline is an exit code of its own.
    """

    budget: str
    metric: str
    status: Status
    observed: str
    limit: str
    margin: str
    level: Literal["error", "warn", "off"]
    reason: str  # how it was judged, or why it could not be
    waiver: str | None = None
    on_inconclusive: Literal["fail", "warn"] = "fail"
    missing: Literal["measurement", "baseline"] | None = None
    parts: tuple[Part, ...] = ()  # the slices that a budget per slice names


@dataclass(frozen=True, slots=True, kw_only=True)
class BudgetLine:
    """A budget as a line in a picture. value: seconds, a fraction or bytes, by its metric."""

    budget: str
    metric: str  # latency.p50, accuracy, file_bytes
    value: float
    setting: Setting | None  # of latency


@dataclass(frozen=True, slots=True, kw_only=True)
class StageRecord:
    """What a stage did in this run."""

    stage: str
    key: str
    hit: bool
    why: str  # "stored on 2026-11-24", "first run", "recipe.distill.epochs changed: 10 -> 12"
    seconds: float
    outputs: dict[str, str]  # name -> digest
    size_bytes: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportFacts:
    """What the exported file is, read back from it, and how it follows the torch student."""

    opset: int
    ir_version: int
    parity: Parity


@dataclass(frozen=True, slots=True, kw_only=True)
class SizeStep:
    """One stop on the way from teacher to shipped file."""

    stage: str  # teacher, student float32, student int8 (int4, float16)
    size_bytes: int
    validation_accuracy: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class TensorFacts:
    """One tensor stored in an ONNX file. name: "" for a constant of a node."""

    name: str
    shape: tuple[int, ...]
    dtype: str
    size_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelFacts:
    """What one ONNX file is made of: numbers without noise, read from the file alone.

    digest: as in Measurement; file_sha256: of the .onnx file itself, without its external data.
    macs: of one sample, None where shapes are unknown. tensors: the largest ones.
    """

    subject: str
    digest: str
    file_sha256: str
    size_bytes: int
    parameters: int
    macs: int | None
    precision: str
    operators: dict[str, int]
    tensors: tuple[TensorFacts, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """Everything that a run found; report.json is exactly this. Bump version when a field changes.

    qualities, pairs and measured name their subjects: "teacher", "student", and control rows
    ("teacher int8", "student on labels").
    """

    version: int
    name: str
    created_at: str  # ISO 8601, UTC
    recipe_digest: str
    recipe_text: str
    task: str
    classes: tuple[str, ...]
    class_counts: dict[str, tuple[int, ...]]  # split -> samples per class
    data_fingerprint: str
    seed: int
    versions: dict[str, str]
    stages: tuple[StageRecord, ...]
    decisions: tuple[Decision, ...]
    history: History | None
    control_history: History | None
    export: ExportFacts | None
    sizes: tuple[SizeStep, ...]
    measured: Measured | None
    qualities: tuple[Quality, ...]
    pairs: tuple[PairedQuality, ...]  # each against the teacher
    verdicts: tuple[Verdict, ...]
    notes: tuple[str, ...] = ()  # what the reader must know: why int8 was dropped, what is missing
    models: tuple[ModelFacts, ...] = ()  # of the subjects whose files were looked into
    slices: tuple[Slice, ...] = ()  # student against teacher on parts of the test split
    slice_drop: float | None = None  # the drop of the budget that the slices are held against
    # Reference -> kinds of slices that its stored answers could not give; "all" lacks them.
    slices_absent: dict[str, tuple[str, ...]] = field(default_factory=dict)
    added: tuple[Added, ...] = ()
    ledger: tuple[LedgerStep, ...] = ()
    node_costs: tuple[NodeCost, ...] = ()  # the most costly first
    budget_lines: tuple[BudgetLine, ...] = ()  # where the budgets lie in a picture
    recipe_overrides: tuple[str, ...] = ()  # a.b=c, as they were given beside recipe_text
    fidelities: tuple[Fidelity, ...] = ()  # of embeddings, each against the teacher
    search: SearchFacts | None = None  # of a student of kind auto
    answered_on: Environment | None = None  # of a gate: where models answered; None: as `measured`


REPORT_VERSION = 1
