"""What a report shows, as plain values: whoever collects them needs no HTML, and the page needs no Spark."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from uninote.errors import UninoteError
from uninote.evaluation.agreement import Shares


class ReportDataError(UninoteError):
    """Values that no page can show."""


@dataclass(frozen=True)
class StageRow:
    """One stage, as it last ran. `state` is done, unchanged, stale, failed or unfinished.

    `when` is the time at which that began; `is_of_this_run` says whether it was in the run that the report is about: the
    figures of other rows are an earlier run's. A count whose name ends in "bytes" is shown as a size.
    """

    stage: str
    state: str
    seconds: float
    counts: dict[str, int]
    when: str = ""
    is_of_this_run: bool = True


@dataclass(frozen=True)
class Reconciliation:
    """What became of every note. `deleted` notes are not among `notes_in`; `degraded` ones are among `live`.

    `degraded` were embedded without an unreadable part; `live` is how many items have a vector after the run.
    """

    notes_in: int
    embedded: int
    unchanged: int
    quarantined: int
    deleted: int
    degraded: int
    live: int

    @property
    def accounted(self) -> int:
        """Notes whose fate is known."""
        return self.embedded + self.unchanged + self.quarantined

    @property
    def balances(self) -> bool:
        """Whether no note was lost and none counted twice."""
        return self.notes_in == self.accounted

    @property
    def quarantined_share(self) -> float:
        """Quarantined notes among the notes in, 0 when there are none."""
        return self.quarantined / self.notes_in if self.notes_in else 0.0


@dataclass(frozen=True)
class Cuts:
    """What the model did not get to see of the notes that have a vector: counts of notes, tokens and images, and shares.

    `notes_cut_estimated` of the cut notes are known from characters alone; `cut_unknown` notes were embedded by a release that
    did not count.
    """

    notes_cut: int
    tokens_cut: int
    notes_cut_estimated: int
    notes_lacking_images: int
    images_left_out: int
    cut_unknown: int
    cut_share: float
    lacking_images_share: float


@dataclass(frozen=True)
class QuarantineReason:
    """Items set aside for one reason. `samples` are (item_id, message), as many as one cares to read."""

    reason: str
    count: int
    samples: tuple[tuple[str, str], ...] = ()


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
    recall: float | None = None
    target: float = 0.0
    k: int = 0


@dataclass(frozen=True)
class WidthRecall:
    """The share of the widest width's exact neighbours that exact search at `width` finds."""

    width: int
    recall: float


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
class Recall:
    """Tie-aware recall@k of the neighbour lists on `sample` notes, and the `target` that the configuration asks for.

    `by_rule` has that of the tables with rules, by name, against the best of all that their rules allow.
    """

    k: int
    sample: int
    recall: float
    target: float
    by_rule: Mapping[str, float] = field(default_factory=dict)

    @property
    def reached(self) -> bool:
        """Whether the target is met, by every table."""
        return all(recall >= self.target for recall in (self.recall, *self.by_rule.values()))


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
class Evaluation:
    """What the model finds of notes that it was not trained on; `baselines` names the columns beside its own `widths`.

    `origin` says which notes those were.
    """

    widths: tuple[int, ...]
    baselines: tuple[str, ...]
    rows: tuple[StrategyScores, ...]
    origin: str


@dataclass(frozen=True)
class GalleryNote:
    """A note to look at. `image` is a JPEG thumbnail; `score` is null for a query."""

    note_id: str
    title: str
    body: str
    topics: tuple[str, ...] = ()
    category: str = ""
    image: bytes | None = None
    score: float | None = None


@dataclass(frozen=True)
class GalleryRow:
    """A note and its neighbours, best first."""

    query: GalleryNote
    neighbours: tuple[GalleryNote, ...]


@dataclass(frozen=True)
class Sample:
    """Notes to search in: `lists` has the (note_id, score) of the best neighbours, best first, of those that can be chosen.

    `notes` are these and their neighbours; a neighbour that was deleted since is not among them.
    """

    notes: tuple[GalleryNote, ...]
    lists: Mapping[str, tuple[tuple[str, float], ...]]


@dataclass(frozen=True)
class Trend:
    """A figure over runs: (when the run began, value), oldest first; at least one."""

    name: str
    points: tuple[tuple[str, float], ...]


@dataclass(frozen=True)
class Report:
    """Everything on the page. What is null or empty is left out, or the page says that there is nothing.

    `similarity` counts the notes by the score of their best neighbour, `ranks` the neighbours at some ranks by theirs, on one
    axis; `tables` maps names to URIs; `quarantine_limit` is the share of quarantined notes above which the verdict asks for
    attention. `run_id` is the run that the report is about, and `run_seconds` how long its stages took; `behind` names what
    was made of older vectors or notes than there are; `sample` is what the search box finds; `as_of` is the date that ages
    were counted from, empty where no table depends on them.
    """

    title: str
    lake: str
    generation: str
    created_at: str
    config_hash: str
    stages: tuple[StageRow, ...]
    reconciliation: Reconciliation | None
    quarantine: tuple[QuarantineReason, ...]
    recall: Recall | None
    width_recalls: tuple[WidthRecall, ...]
    indexes: tuple[IndexRow, ...]
    similarity: Histogram | None
    gallery: tuple[GalleryRow, ...]
    tables: dict[str, str]
    k: int
    agreements: tuple[Agreement, ...] = ()
    evaluation: Evaluation | None = None
    quarantine_limit: float = 0.01
    run_id: str = ""
    run_seconds: float = 0.0
    behind: tuple[str, ...] = ()
    trends: tuple[Trend, ...] = ()
    ranks: Mapping[int, Histogram] = field(default_factory=dict)
    sample: Sample | None = None
    cuts: Cuts | None = None
    as_of: str = ""
