"""Values that `benchmarks` makes. Units are in the names; raw samples stay beside statistics."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

ComparisonWord = Literal["slower", "faster", "no-slower", "identical", "inconclusive"]
LimitWord = Literal["met", "violated", "inconclusive"]
NEEDS_FLOOR_MS = 1.0  # below it the cost of a call itself is part of the number


@dataclass(frozen=True, slots=True, kw_only=True)
class Environment:
    """What a number depends on: two measurements compare only where these agree."""

    cpu_model: str
    cpu_flags: tuple[str, ...]  # those that decide kernels: avx2, avx512_vnni, amx_int8, ...
    allowed_cpus: int  # affinity and cgroup quota, not what the host has
    memory_bytes: int
    platform: str
    python: str
    versions: dict[str, str]  # onnxruntime, numpy, onnx; torch where it took part
    load_average: float
    governor: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """One cell of a measurement."""

    device: str
    threads: int
    batch: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Latency:
    """Wall time of `session.run`, per call. One inner tuple per epoch (a fresh process)."""

    samples_ns: tuple[tuple[int, ...], ...]
    p50_ms: float
    p95_ms: float | None  # None below 130 samples: too few for a 95th percentile
    throughput_per_s: float  # samples per second at this batch, from the median call
    p99_ms: float | None = None  # None below 662 samples


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """Resident memory of a fresh process, VmHWM and VmRSS of /proc/self/status."""

    baseline_bytes: int  # after importing the runtime, before the model
    loaded_bytes: int  # after the session exists
    peak_bytes: int  # the highest until inference at this batch has run
    batch: int
    load_peak_bytes: int | None = None  # the highest until the session exists
    device_bytes: int | None = None  # of a GPU, as NVML counts it; None on the CPU or not told

    @property
    def peak_delta_bytes(self) -> int:
        return self.peak_bytes - self.baseline_bytes

    @property
    def load_delta_bytes(self) -> int:
        """What loading alone takes at most."""
        return (self.load_peak_bytes or self.loaded_bytes) - self.baseline_bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class ColdStart:
    """Fresh processes: median time to make the session and of the first call."""

    session_ms: float
    first_call_ms: float
    samples: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One model at one setting."""

    setting: Setting
    latency: Latency  # "e2e": from arrays on the host to arrays on the host
    memory: Memory
    device_latency: Latency | None = None  # "device": CUDA events, tensors stay there; GPUs alone
    fallback_nodes: tuple[str, ...] | None = None  # "name (Op) on provider"; None: not known


@dataclass(frozen=True, slots=True, kw_only=True)
class Contents:
    """What needs no clock. macs: of one sample, None where shapes are unknown."""

    external_bytes: int  # of size_bytes, beside the file
    parameters: int
    macs: int | None
    operators: dict[str, int]  # type -> nodes
    tensor_bytes: dict[str, int]  # element type -> bytes of initialisers and constants


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurement:
    """Everything measured of one ONNX file."""

    subject: str  # "teacher", "student", or a file's name
    digest: str
    size_bytes: int
    cells: tuple[Cell, ...]
    cold_start: ColdStart
    contents: Contents | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """candidate against reference at one setting, from interleaved fresh process pairs.

    log_ratios: one per epoch, log(candidate time / reference time); speedup = exp(-median).
    """

    reference: str
    candidate: str
    setting: Setting
    log_ratios: tuple[float, ...]
    speedup: float
    speedup_low: float  # nominal 95 % interval
    speedup_high: float
    verdict: ComparisonWord
    smallest_detectable: float | None  # relative change, e.g. 0.02
    limit: float | None = None  # a ratio of times that was to be answered
    limit_verdict: LimitWord | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Floor:
    """The median call of an Identity model with the same inputs: what no network can go below."""

    setting: Setting
    p50_ms: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """Lowest, median and highest reading."""

    low: float
    median: float
    high: float


@dataclass(frozen=True, slots=True, kw_only=True)
class GpuLog:
    """A GPU while it was timed, read at 10 Hz. None: the device does not tell."""

    device: str  # as in Setting
    name: str
    uuid: str
    driver: str
    cuda: str
    memory_bytes: int
    readings: int
    sm_mhz: Spread | None
    memory_mhz: Spread | None
    power_w: Spread | None
    temperature_c: Spread | None
    slowdowns: dict[str, float]  # reason -> share of the readings
    most_processes: int  # on the device at once; ours are as many as the models
    note: str  # why there are no readings


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadPoint:
    """One offered rate. Latency is from a request's arrival to its answer, its queue included.

    unserved: not begun when the time was over; then p50 and p99 are lower bounds.
    """

    offered_per_s: float
    achieved_per_s: float
    unserved: int
    p50_ms: float
    p99_ms: float | None  # None below 662 requests
    samples_ns: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """Latency of one file against the rate at which requests arrive at random.

    capacity_per_s: requests per second of all sessions together when each is always busy.
    """

    environment: Environment
    subject: str
    setting: Setting
    sessions: int
    capacity_per_s: float
    points: tuple[LoadPoint, ...]
    seed: int
    floor_ms: float | None = None  # of an Identity model, where a rate's p50 is below 1 ms


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """One interleaved run over all subjects. comparisons: each subject against the first."""

    environment: Environment
    measurements: tuple[Measurement, ...]
    comparisons: tuple[Comparison, ...]
    floor_ms: float | None  # an Identity model of the same inputs, at the first setting
    seed: int
    floors: tuple[Floor, ...] = ()  # at each setting where a model takes less than 1 ms
    gpus: tuple[GpuLog, ...] = ()  # one per GPU and number of threads

    def floor_beside(self, ms: float | None, setting: Setting) -> float | None:
        """What stands beside a time of one call: the floor's own, in ms, where that says much.

        None from 1 ms on, and where no floor was timed at the setting.
        """
        if ms is None or ms >= NEEDS_FLOOR_MS:
            return None
        return next((floor.p50_ms for floor in self.floors if floor.setting == setting), None)
