"""What a search takes beside what it asks for, as all that share it reckon with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from compress.search.ledger import Ledger


@dataclass(slots=True)
class Books:
    """own(): seconds that this process did other things, so far.

    Each look is agreed on and goes on from the one before: a process that comes later, or goes on
    after a stop, adds what it took since to what others said until then.
    """

    ledger: Ledger
    own: Callable[[], float]
    _looks: int = 0
    _agreed: float = 0.0
    _seen: float = 0.0  # of its own, when that was agreed on

    def seconds(self) -> float:
        """Until now; all must look equally often."""
        own = self.own()
        word = {"seconds": self._agreed + max(0.0, own - self._seen)}
        self._agreed = self.ledger.agreed(f"bookkeeping, {self._looks}", word)["seconds"]
        self._seen = own
        self._looks += 1
        return self._agreed
