"""What every runner offers, and what every runner checks: names, types and shapes of its feeds."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Protocol, Self

import numpy as np
from numpy.typing import NDArray

from exporters.errors import InputError
from exporters.values import TensorSpec, shape_fits

Feeds = Mapping[str, NDArray[np.generic]]
Call = Callable[[], Sequence[NDArray[np.generic]]]


class DeviceTimer(Protocol):
    """A stopwatch that runs on the device: start and stop are put in its queue."""

    def start(self) -> None: ...

    def stop_ns(self) -> int:
        """Waits until the device has passed the stop; nanoseconds since the start."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceCall:
    """A call whose inputs and outputs stay on the device, and the stopwatch of its queue."""

    call: Callable[[], object]
    timer: DeviceTimer


class Runner(Protocol):
    """One model, made once, called often, closed at the end."""

    @property
    def fallback_nodes(self) -> tuple[str, ...] | None:
        """Nodes that run beside the device that was asked for; None where that can't be known."""

    def prepare(self, feeds: Feeds) -> Call:
        """The whole call: host arrays in, host arrays out, finished when it returns ("e2e").

        InputError when names, types or shapes do not fit, or when the runner is closed.
        """

    def prepare_on_device(self, feeds: Feeds) -> DeviceCall | None:
        """The same with everything on the device already ("device"); None on the CPU."""

    def explain(self, error: Exception) -> Exception:
        """What an exception of its library means, in one line; others as they are."""

    def close(self) -> None:
        """Free the model; preparing a call afterwards is an InputError."""


class Closing:
    """The context manager that every runner is: leaving it closes it."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Free what is held."""
        raise NotImplementedError


def closed() -> InputError:
    """What preparing a call on a closed runner raises."""
    return InputError("the runner is closed", cure="open it again")


def check_feeds(specs: Sequence[TensorSpec], feeds: Feeds) -> None:
    """InputError where the feeds are not what the specs say."""
    if {spec.name for spec in specs} != set(feeds):
        names = sorted(spec.name for spec in specs)
        raise InputError(f"takes inputs {names}, and was given {sorted(feeds)}")
    for spec in specs:
        array = feeds[spec.name]
        if spec.dtype != array.dtype.name:
            raise InputError(f"input {spec.name} takes {spec.dtype}, and was given {array.dtype}")
        if spec.shape != ("...",) and not shape_fits(spec.shape, array.shape):
            takes = ", ".join("?" if dim is None else str(dim) for dim in spec.shape)
            raise InputError(f"input {spec.name} takes ({takes}), and was given {array.shape}")


def time_on_device(device: DeviceCall, *, warmup: int, rounds: int) -> tuple[int, ...]:
    """Nanoseconds of each of `rounds` calls on the device's own clock."""
    for _ in range(warmup):
        device.call()
    samples = [0] * rounds
    for index in range(rounds):
        device.timer.start()
        device.call()
        samples[index] = device.timer.stop_ns()
    return tuple(samples)
