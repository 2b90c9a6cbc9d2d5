"""Stages of one command, some inside others: `--fresh` computes each of them again, once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from compress.pipeline.graph import run_stages
from compress.pipeline.stage import Finished, OnEvent, Stage
from compress.store.store import Store


@dataclass(slots=True)
class StageRunner:
    """fresh: what is stored from before this command counts for nothing. made: keys of what was
    finished here, which is found again."""

    store: Store
    fresh: bool = False
    made: set[str] = field(default_factory=set)

    def run(self, stages: Sequence[Stage], *, on_event: OnEvent) -> dict[str, Finished]:
        """As run_stages."""
        done = run_stages(
            stages, store=self.store, fresh=self.fresh, kept=self.made, on_event=on_event
        )
        self.made.update(one.entry.key for one in done.values())
        return done
