"""What a GPU was doing while it was timed, through NVML: clocks, power, temperature, throttling.

Read ten times a second by the parent, beside the timed process and not in it. A device that slowed
down is reported and its epochs stay: to drop them would favour the model that heats it less.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from statistics import median
from types import TracebackType
from typing import Any

from benchmarks.values import GpuLog, Spread

_PERIOD_S = 0.1
# Bits of nvmlDeviceGetCurrentClocksEventReasons that mean slower than the model could run.
# https://docs.nvidia.com/deploy/nvml-api/group__nvmlClocksEventReasons.html
SLOWDOWNS = {
    0x04: "power cap",
    0x08: "hardware slowdown",
    0x20: "software thermal slowdown",
    0x40: "hardware thermal slowdown",
    0x80: "power brake",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """One look. None: this device does not tell."""

    sm_mhz: int | None
    memory_mhz: int | None
    power_w: float | None
    temperature_c: int | None
    reasons: int | None
    processes: tuple[int, ...]


class Nvml:
    """NVML for one device, found by its UUID. A context manager; `missing` says why it is mute."""

    def __init__(self, uuid: str) -> None:
        self.missing = ""
        self._uuid = uuid
        self._nvml: Any = None
        self._handle: Any = None

    def __enter__(self) -> Nvml:
        try:
            import pynvml
        except ImportError as error:
            self.missing = f"nvidia-ml-py can't be imported: {error}"
            return self
        try:
            pynvml.nvmlInit()
        except pynvml.NVMLError as error:
            self.missing = f"NVML: {error}"
            return self
        self._nvml = pynvml
        try:
            self._handle = pynvml.nvmlDeviceGetHandleByUUID(self._uuid)
        except pynvml.NVMLError as error:
            self.missing = f"NVML has no device {self._uuid}: {error}"
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._nvml is not None:
            with suppress(self._nvml.NVMLError):
                self._nvml.nvmlShutdown()

    def read(self) -> Reading | None:
        """None where there is no NVML or no such device."""
        if self._handle is None:
            return None
        nvml = self._nvml
        power = self._ask("nvmlDeviceGetPowerUsage")
        return Reading(
            sm_mhz=self._ask("nvmlDeviceGetClockInfo", nvml.NVML_CLOCK_SM),
            memory_mhz=self._ask("nvmlDeviceGetClockInfo", nvml.NVML_CLOCK_MEM),
            power_w=None if power is None else power / 1000,
            temperature_c=self._ask("nvmlDeviceGetTemperature", nvml.NVML_TEMPERATURE_GPU),
            # The older name: every driver since 2014 has it.
            reasons=self._ask("nvmlDeviceGetCurrentClocksThrottleReasons"),
            processes=tuple(self._memory_by_process()),
        )

    def process_bytes(self, pid: int) -> int | None:
        """Device memory of a process: context, weights, arena and workspaces. None: not told, as
        in a container that numbers processes in its own way."""
        return self._memory_by_process().get(pid)

    def driver(self) -> str:
        """Version of the driver; empty where it is not told."""
        if self._nvml is None:
            return ""
        try:
            return str(self._nvml.nvmlSystemGetDriverVersion())
        except self._nvml.NVMLError:
            return ""

    def _memory_by_process(self) -> dict[int, int | None]:
        if self._handle is None:
            return {}
        found = self._ask("nvmlDeviceGetComputeRunningProcesses") or []
        return {int(process.pid): process.usedGpuMemory for process in found}

    def _ask(self, name: str, *arguments: Any) -> Any:
        try:
            return getattr(self._nvml, name)(self._handle, *arguments)
        except self._nvml.NVMLError:  # not supported by this device, or not permitted
            return None


class GpuWatch:
    """Reads a device in the background until it is left; `log` is then what was seen."""

    def __init__(self, found: dict[str, Any], *, device: str, period_s: float = _PERIOD_S) -> None:
        self._found, self._device, self._period_s = found, device, period_s
        self._readings: list[Reading] = []
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="gpu-watch", daemon=True)
        self._nvml = Nvml(found["uuid"])
        self.log: GpuLog | None = None

    def __enter__(self) -> GpuWatch:
        self._nvml.__enter__()
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._stop.set()
        self._thread.join()
        self.log = summarise(
            self._readings,
            device=self._device,
            found=self._found,
            driver=self._nvml.driver(),
            note=self._nvml.missing,
        )
        self._nvml.__exit__(kind, error, traceback)

    def _run(self) -> None:
        while not self._stop.wait(self._period_s):
            reading = self._nvml.read()
            if reading is None:
                return
            self._readings.append(reading)


def summarise(
    readings: Sequence[Reading], *, device: str, found: dict[str, Any], driver: str, note: str
) -> GpuLog:
    """Lowest, median and highest of each; the share of readings for each reason to be slower."""
    told = [reading.reasons for reading in readings if reading.reasons is not None]
    slow = Counter(name for reasons in told for bit, name in SLOWDOWNS.items() if reasons & bit)
    return GpuLog(
        device=device,
        name=str(found["name"]),
        uuid=str(found["uuid"]),
        driver=driver,
        cuda=str(found["cuda"]),
        memory_bytes=int(found["memory_bytes"]),
        readings=len(readings),
        sm_mhz=_spread([r.sm_mhz for r in readings]),
        memory_mhz=_spread([r.memory_mhz for r in readings]),
        power_w=_spread([r.power_w for r in readings]),
        temperature_c=_spread([r.temperature_c for r in readings]),
        slowdowns={name: count / len(told) for name, count in sorted(slow.items())},
        # One model is active at a time; its pair waits beside it.
        most_processes=max((len(r.processes) for r in readings), default=0),
        note=note,
    )


def _spread(values: Sequence[float | None]) -> Spread | None:
    known = [float(value) for value in values if value is not None]
    if not known:
        return None
    return Spread(low=min(known), median=float(median(known)), high=max(known))
