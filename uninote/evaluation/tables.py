"""The table of an encoder's scores, as plain data."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Score:
    """What one strategy reaches at one width: means over queries. `chance` is what R@10 a random order would have.

    note_to_note by ranked lists also has precision, ndcg and tau; null elsewhere, tau null too where no query has two
    relevant items.
    """

    strategy: str
    width: int
    queries: int
    gallery: int
    recall_1: float
    recall_5: float
    recall_10: float
    chance: float
    precision_1: float | None = None
    precision_5: float | None = None
    ndcg_10: float | None = None
    tau: float | None = None


@dataclass(frozen=True)
class Table:
    """All scores of one encoder, or of one baseline, under a name."""

    name: str
    scores: tuple[Score, ...]

    def of(self, strategy: str, width: int) -> Score:
        """Return one score. Raises KeyError when that strategy or width was not measured."""
        for score in self.scores:
            if (score.strategy, score.width) == (strategy, width):
                return score
        raise KeyError(f"{strategy} at width {width}")

    def recalls_at_10(self) -> dict[str, float]:
        """Return R@10 by strategy and width, as `image_to_text_w64`, rounded for a summary."""
        recalls = {}
        for score in self.scores:
            recalls[f"{score.strategy}_w{score.width}"] = round(score.recall_10, 4)
        return recalls

    def as_json(self) -> dict[str, Any]:
        """Return what json.dumps takes."""
        return asdict(self)
