"""Figures that a report shows, as plain values: recall, scores, agreement, and how they went over runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from uninote.confidence.fitting import Quality
from uninote.errors import UninoteError
from uninote.evaluation.agreement import Shares
from uninote.evaluation.estimates import Estimate

LEAST_JUDGED = 300  # pairs: of fewer, intervals are wider than what they would tell apart


class ReportDataError(UninoteError):
    """Values that no page can show."""


@dataclass(frozen=True)
class IndexRow:
    """The index of one width. `bytes` is its size at rest; `recall` of its searches is null where it was not measured.

    `target` is the recall that the configuration asks for, and `k` the number of neighbours that it is about.
    """

    width: int
    rows: int
    nlist: int
    num_cells: int
    num_shards: int
    bytes: int
    nprobe: int
    recall: Estimate | None = None
    target: float = 0.0
    k: int = 0


@dataclass(frozen=True)
class FurtherTable:
    """A neighbour table of a further set of vectors: the notes that have a vector there, and those that have none."""

    table: str
    embedding: str
    notes: int
    without: int
    recall: Estimate


@dataclass(frozen=True)
class WidthRecall:
    """The share of the widest width's exact neighbours that exact search at `width` finds."""

    width: int
    recall: float


@dataclass(frozen=True)
class StrengthCut:
    """What a least `strength` leaves of lists: the share of their `pairs`, and the share of notes whose list is `empty`.

    `shares`, by kind of label, are those of the pairs left that have one in common; of labels that none of these has, none.
    """

    strength: float
    pairs: float
    empty: float
    shares: Mapping[str, float]


@dataclass(frozen=True)
class Judged:
    """What a `source` said of pairs of a neighbour table: too few pairs for figures where `quality` is null."""

    table: str
    source: str
    pairs: int
    quality: Quality | None


@dataclass(frozen=True)
class Histogram:
    """`counts[i]` values lie from `edges[i]` to `edges[i + 1]`. Raises ReportDataError unless edges rise and fit."""

    edges: tuple[float, ...]
    counts: tuple[int, ...]

    def __post_init__(self) -> None:
        if not self.counts or len(self.edges) != len(self.counts) + 1:
            raise ReportDataError(
                f"a histogram needs one edge more than counts, and a count; got {len(self.edges)} edges and "
                f"{len(self.counts)} counts: pass the edges of every bin, the last one's upper edge included"
            )
        # "not all less", rather than "any greater or equal": a NaN among the edges must not pass
        if not all(low < high for low, high in zip(self.edges, self.edges[1:], strict=False)):
            raise ReportDataError(f"the edges of a histogram must rise; got {self.edges}: sort them, drop empty bins")

    @property
    def total(self) -> int:
        """How many values were counted."""
        return sum(self.counts)

    def quantile(self, share: float) -> float:
        """Return about where the lowest `share` of the values ends, taking values to lie evenly within their bin."""
        wanted = share * self.total
        passed = 0
        for low, high, count in zip(self.edges, self.edges[1:], self.counts, strict=False):
            if count and passed + count >= wanted:
                return low + (high - low) * (wanted - passed) / count
            passed += count
        return self.edges[-1]


@dataclass(frozen=True)
class DuplicatePair:
    """Two notes of one group of duplicates, how each begins, and their cosine."""

    score: float
    note_id: str
    text: str
    other_id: str
    other_text: str


@dataclass(frozen=True)
class Duplicates:
    """The groups of duplicates: how many `notes` are in how many `groups`, and the notes of the largest one.

    A duplicate has a cosine of `score` or more; `largest_chain` is the number of notes that any chain of duplicates links.
    `accepted` are the lowest cosines of a note and the representative of its group, `apart` those of two notes of a group.
    """

    score: float
    notes: int
    groups: int
    largest_group: int
    largest_chain: int
    accepted: tuple[DuplicatePair, ...]
    apart: tuple[DuplicatePair, ...]


@dataclass(frozen=True)
class Recall:
    """Tie-aware recall@k of the neighbour lists on `sample` notes, and the `target` that the configuration asks for.

    `by_rule` has that of the tables with rules, by name, against the best of all that their rules allow.
    """

    k: int
    sample: int
    recall: Estimate
    target: float
    by_rule: Mapping[str, Estimate] = field(default_factory=dict)

    @property
    def reached(self) -> bool:
        """Whether the target is met, by every table."""
        return all(measured.recall >= self.target for measured in (self.recall, *self.by_rule.values()))


@dataclass(frozen=True)
class Agreement:
    """How often neighbours share a `label` with their note, by the ranking that found them; over `notes` that have it.

    `origin` says where the label comes from, and whether the encoder reads it.
    """

    label: str
    origin: str
    notes: int
    shares: Mapping[str, Shares]


@dataclass(frozen=True)
class StrategyScores:
    """Recall@10 of one search type: `recalls` of the model by width, `baselines` at the widest, null where not measured.

    `chance` is what a random order would reach; `queries` were asked of `gallery` items.
    """

    strategy: str
    queries: int
    gallery: int
    chance: float
    recalls: tuple[float, ...]
    baselines: tuple[float | None, ...]


@dataclass(frozen=True)
class OrderScores:
    """How one encoder, by `name`, ranks the other half of a note and what is more or less like it; null where not measured."""

    name: str
    precision_1: float | None
    ndcg_10: float | None
    tau: float | None


@dataclass(frozen=True)
class Evaluation:
    """What the model finds of notes that it was not trained on; `baselines` names the columns beside its own `widths`.

    `origin` says which notes those were; `orders`, of note to note, are the model's by width, then those of the baselines.
    """

    widths: tuple[int, ...]
    baselines: tuple[str, ...]
    rows: tuple[StrategyScores, ...]
    origin: str
    orders: tuple[OrderScores, ...] = ()


@dataclass(frozen=True)
class Trend:
    """A figure over runs: (when the run began, value), oldest first; at least one."""

    name: str
    points: tuple[tuple[str, float], ...]
