"""Which layers of a student and a teacher can be compared: found by one pass over both."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from compress.distill.places import gives_channels_first, says_nothing
from compress.tasks.views import Inputs

Places = tuple[int, ...]  # the axes of a map or of tokens, without batch and channels


def deepest_alike(
    student: nn.Module, teacher: nn.Module, samples: Inputs
) -> tuple[str, str] | None:
    """The last module of the student, and of the teacher, whose outputs have the same places.

    Places are the height and width of a map, (batch, channels, height, width), the tokens of
    (batch, tokens, width), and the times of (batch, channels, time), so that an adapter of channels
    makes both alike; one place alone is a pooled vector and does not count, nor does the network's
    own output. samples: one tensor per input of the task, a batch of two or more. None where no two
    layers are alike. Both networks are left in eval mode.
    """
    own, theirs = _last_of_places(student, samples), _last_of_places(teacher, samples)
    for places, name in reversed(own.items()):
        if places in theirs:
            return name, theirs[places]
    return None


def _last_of_places(network: nn.Module, samples: Inputs) -> dict[Places, str]:
    """Places -> the module that gave them last, in the order in which they were last given."""
    given: list[tuple[str, Tensor]] = []
    modules = dict(network.named_modules())

    def keep(name: str) -> Callable[[nn.Module, Any, Any], None]:
        def hook(module: nn.Module, inputs: Any, output: Any) -> None:
            first = output[0] if isinstance(output, tuple | list) and output else output
            if _places(module, first) is None:
                return
            if given and given[-1][1] is first:  # handed on from its last part
                if isinstance(module, nn.Sequential):
                    return  # which says no more than that part
                given.pop()
            given.append((name, first))

        return hook

    handles = [module.register_forward_hook(keep(name)) for name, module in modules.items() if name]
    try:
        with torch.no_grad(), torch.random.fork_rng(devices=[]):
            output = network.eval()(*samples)
    finally:
        for handle in handles:
            handle.remove()
    seen: dict[Places, str] = {}
    for name, tensor in given:
        places = _places(modules[name], tensor)
        if places is not None and tensor is not output:
            seen.pop(places, None)  # so that it moves to the end
            seen[places] = name
    return seen


def _places(module: nn.Module, output: Any) -> Places | None:
    """Of three axes only where the module tells which of them counts places."""
    if not isinstance(output, Tensor) or not output.is_floating_point():
        return None
    if output.ndim == 4:
        places = tuple(output.shape[2:])
    elif output.ndim == 3 and not says_nothing(module):
        places = (output.shape[2 if gives_channels_first(module) else 1],)
    else:
        return None
    return places if math.prod(places) > 1 else None
