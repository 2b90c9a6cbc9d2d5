"""A static int8 file as a torch module that rounds where the file does, and can be trained."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import torch
from torch import Tensor, nn

from compress.quantize.qat_given import refused
from compress.quantize.qat_operators import operators
from compress.quantize.qat_plan import Array, Grid, Plan, Step
from compress.quantize.qat_rounding import fake_quantize, integers

_ROUNDING = frozenset({"QuantizeLinear", "DequantizeLinear"})


class QuantizedNetwork(nn.Module):
    """Answers as the file does, but for sums of floats instead of integers.

    Its parameters are the weights and biases behind the integers, and for each scale the logarithm
    of its growth, so that a step changes large and small scales alike. Zero points stay.
    """

    def __init__(self, plan: Plan, *, model: bytes, original: Mapping[str, Array]) -> None:
        """model: the file that `plan` was made of. original: float weights by name; where they
        round to those of the file they are the start, and the integers themselves otherwise."""
        super().__init__()
        unknown = {step.kind for step in plan.steps} - operators().keys() - _ROUNDING
        if unknown:
            raise refused(f"no gradient passes through {', '.join(sorted(unknown))}")
        self.plan, self.model = plan, model
        self.keys = {name: f"tensor{index}" for index, name in enumerate(plan.stored)}
        for name in plan.constants:
            self.register_buffer(self.keys[name], _tensor(plan.stored[name]), persistent=False)
        for name in plan.scales:
            start = _tensor(plan.stored[name]).reshape(-1)
            start = start.reshape(()) if start.numel() == 1 else start
            self.register_buffer(self.keys[name], start, persistent=False)
            growth = nn.Parameter(torch.zeros_like(start))
            self.register_parameter(f"{self.keys[name]}_growth", growth)
        scales = self.scales()
        for name, grid in plan.weights.items():
            stored = _tensor(plan.stored[name])
            start = _shaped(scales[grid.scale], grid, stored.ndim) * stored
            given = original.get(name, original.get(name.removesuffix("_quantized")))
            if given is not None and given.shape == stored.shape:
                exact = _tensor(given)
                apart = (_rounded(exact, grid, scales) - stored).abs()
                if bool((apart <= 1).all()):  # the same weight; halves may go either way
                    start = torch.where(apart == 0, exact, start)
            self.register_parameter(self.keys[name], nn.Parameter(start))
        for name, (source, weight) in plan.biases.items():
            scale = scales[source.scale] * scales[weight.scale]
            start = _tensor(plan.stored[name]) * scale
            self.register_parameter(self.keys[name], nn.Parameter(start))
        for name in plan.floats:
            self.register_parameter(self.keys[name], nn.Parameter(_tensor(plan.stored[name])))

    def forward(self, *inputs: Tensor) -> Tensor:
        """inputs: one tensor per input of the file -> its first output."""
        *_, values = self._walk(inputs, self.scales())
        return values[self.plan.output]

    def observed(self, *inputs: Tensor) -> dict[str, Tensor]:
        """The integers of each rounded tensor, less its zero point, and the first output."""
        scales, found = self.scales(), dict[str, Tensor]()
        for values in self._walk(inputs, scales):
            for name, value in values.items():
                grid = self.plan.activations.get(name)
                if grid is not None and name not in found:
                    found[name] = _rounded(value, grid, scales)
                elif name == self.plan.output:
                    found[name] = value
        return found

    def scales(self) -> dict[str, Tensor]:
        """As they are now, by name; of more than one entry in one axis."""
        found = {}
        for name in self.plan.scales:
            start, growth = self._at(name), getattr(self, f"{self.keys[name]}_growth")
            # Relative to a scale, this moves it by what learned step sizes move it; without the
            # factor small scales would stand still.
            pulled = growth * start**-2
            found[name] = start * (growth.detach() + pulled - pulled.detach()).exp()
        return found

    def tensors(self) -> dict[str, Array]:
        """What is to be stored in the file instead of what it holds, by name and in its type."""
        plan, found = self.plan, dict[str, Array]()
        with torch.no_grad():
            scales = self.scales()
            for name in plan.scales:
                found[name] = scales[name].reshape(plan.stored[name].shape).cpu().numpy()
            for name, grid in plan.weights.items():
                found[name] = _rounded(self._at(name), grid, scales).cpu().numpy().astype(np.int8)
            for name in plan.biases:
                steps = (self._at(name) / self.bias_scale(name, scales)).double().round()
                limits = np.iinfo(np.int32)
                steps = steps.clamp(limits.min, limits.max)
                found[name] = steps.cpu().numpy().astype(np.int32)
            for name in plan.floats:
                found[name] = self._at(name).contiguous().cpu().numpy()
        return found

    def exact(self) -> dict[str, Array]:
        """What is behind the stored integers, not rounded, by their name in the file."""
        names = (*self.plan.weights, *self.plan.biases)
        return {name: self._at(name).detach().cpu().numpy() for name in names}

    def limits(self) -> dict[str, tuple[float, float]]:
        """Least and largest value of each rounded activation, by the name of its integers."""
        found, scales = {}, self.scales()
        for name, grid in self.plan.activations.items():
            scale = float(scales[grid.scale].detach())
            found[name] = (grid.low * scale, grid.high * scale)
        return found

    def bias_scale(self, name: str, scales: Mapping[str, Tensor]) -> Tensor:
        """What the kernels take the scale of a bias for."""
        source, weight = self.plan.biases[name]
        return (scales[source.scale] * scales[weight.scale]).detach()

    def _at(self, name: str) -> Tensor:
        found: Tensor = getattr(self, self.keys[name])
        return found

    def _walk(
        self, inputs: Sequence[Tensor], scales: Mapping[str, Tensor]
    ) -> Iterator[Mapping[str, Tensor]]:
        """The values after each step; those that nothing more reads are gone."""
        known = operators()
        values = dict(zip(self.plan.inputs, inputs, strict=True))
        last = {name: index for index, step in enumerate(self.plan.steps) for name in step.inputs}
        # A convolution in bfloat16 would round to another grid than the file's.
        with torch.autocast(inputs[0].device.type, enabled=False):
            for index, step in enumerate(self.plan.steps):
                if step.kind in _ROUNDING:
                    values[step.outputs[0]] = self._round(step, values, scales)
                else:
                    given = [self._value(name, values) for name in step.inputs]
                    answered = known[step.kind](given, step.attributes)
                    parts = answered if isinstance(answered, tuple) else (answered,)
                    if not step.inputs:  # a constant of the graph
                        parts = tuple(part.to(inputs[0].device) for part in parts)
                    values.update(zip(step.outputs, parts, strict=False))
                yield values
                for name in step.inputs:
                    if last[name] == index and name != self.plan.output:
                        values.pop(name, None)

    def _value(self, name: str, values: Mapping[str, Tensor]) -> Tensor | None:
        if not name:
            return None
        return values[name] if name in values else self._at(name)

    def _round(
        self, step: Step, values: Mapping[str, Tensor], scales: Mapping[str, Tensor]
    ) -> Tensor:
        name = step.inputs[0]
        if step.kind == "QuantizeLinear":
            grid = self.plan.activations[step.outputs[0]]
            return fake_quantize(values[name], scales[grid.scale], low=grid.low, high=grid.high)
        if name in self.plan.activations:
            return values[name]
        stored = self._at(name)
        if name in self.plan.weights:
            grid = self.plan.weights[name]
            scale = _shaped(scales[grid.scale], grid, stored.ndim)
            return fake_quantize(stored, scale, low=grid.low, high=grid.high)
        scale = self.bias_scale(name, scales)
        return stored + ((stored / scale).round() * scale - stored).detach()


def _tensor(values: Array) -> Tensor:
    return torch.from_numpy(np.array(values))


def _shaped(scale: Tensor, grid: Grid, rank: int) -> Tensor:
    """A scale per entry of an axis, so that it can be multiplied with all of them."""
    if grid.axis is None:
        return scale
    return scale.reshape([-1 if axis == grid.axis else 1 for axis in range(rank)])


def _rounded(values: Tensor, grid: Grid, scales: Mapping[str, Tensor]) -> Tensor:
    scale = _shaped(scales[grid.scale].detach(), grid, values.ndim)
    return integers(values.detach(), scale, low=grid.low, high=grid.high)
