"""What the checks of one run found so far, for its entry in the ledger."""

from __future__ import annotations

from dataclasses import dataclass, field

from uninote.pipelines.embed.guards.health import VectorHealth, compared
from uninote.pipelines.lake.run import Run


@dataclass
class Checks:
    """What the checks of a run found so far; `version` is that of the notes."""

    version: int
    health: VectorHealth = field(default_factory=VectorHealth)
    canaries: dict[str, float] | None = None

    def metrics(self, run: Run) -> dict[str, float]:
        """Return what the ledger keeps of them, compared with the last run."""
        health = self.health.metrics()
        return health | compared(run, health, self.health.health.count) | (self.canaries or {})
