"""Outputs of inner layers, by module name: hooks set for a training and removed after it."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable
from typing import Any, Literal

from torch import Tensor, nn

from compress.distill.places import as_tokens, gives_channels_first
from compress.errors import InputError

NAMES_SHOWN = 8


class Taps:
    """What the named modules of a network gave in its last forward pass.

    A module that runs several times in one pass (shared layers) shows its last output; of a tuple,
    as transformers give, the first element. One-dimensional convolutions show (batch, time,
    channels), as tokens do. Raises InputError for a name that the network lacks, with the nearest
    ones. `close` takes the hooks out: a network that is copied or exported has none.
    """

    def __init__(
        self, network: nn.Module, names: Iterable[str], *, side: Literal["student", "teacher"]
    ) -> None:
        self.side, self.names = side, tuple(dict.fromkeys(names))
        modules = dict(network.named_modules())
        for name in self.names:
            if name not in modules or not name:
                raise _unknown(name, list(modules), side)
        self._seen: dict[str, Tensor] = {}
        self._handles = [
            modules[name].register_forward_hook(
                self._keep(name, channels_first=gives_channels_first(modules[name]))
            )
            for name in self.names
        ]

    def read(self) -> dict[str, Tensor]:
        """Outputs by name since the last read. Raises InputError for a module that did not run."""
        seen, self._seen = self._seen, {}
        for name in self.names:
            if name not in seen:
                raise InputError(
                    f"module `{name}` of the {self.side} gave no tensor in its forward pass",
                    where="distill.loss.layers",
                    cure="name a module that runs and returns a tensor",
                )
        return seen

    def close(self) -> None:
        """Remove the hooks."""
        for handle in self._handles:
            handle.remove()
        self._handles, self._seen = [], {}

    def _keep(self, name: str, *, channels_first: bool) -> Callable[[nn.Module, Any, Any], None]:
        def hook(module: nn.Module, given: Any, output: Any) -> None:
            # By type, not by length: a batch of one has length one too.
            first = output[0] if isinstance(output, tuple | list) and output else output
            if isinstance(first, Tensor):
                self._seen[name] = as_tokens(first, channels_first=channels_first)

        return hook


def _unknown(name: str, names: list[str], side: str) -> InputError:
    known = [other for other in names if other]
    near = difflib.get_close_matches(name, known, n=3, cutoff=0.4)
    shown = ", ".join(known[:NAMES_SHOWN]) + (", ..." if len(known) > NAMES_SHOWN else "")
    cure = f"did you mean {', '.join(near)}?" if near else f"its modules are {shown}"
    return InputError(f"the {side} has no module `{name}`", where="distill.loss.layers", cure=cure)
