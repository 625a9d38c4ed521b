"""What a report shows, as plain values: whoever collects them needs no HTML, and the page needs no Spark."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from uninote.corpus_map.data import CorpusMap
from uninote.report.figures import (
    Agreement,
    Duplicates,
    Evaluation,
    FurtherTable,
    Histogram,
    IndexRow,
    Judged,
    Recall,
    StrengthCut,
    Trend,
    WidthRecall,
)


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
class ExampleNote:
    """A note to look at. `image` is a JPEG thumbnail; `score` is null for a query."""

    note_id: str
    title: str
    body: str
    topics: tuple[str, ...] = ()
    category: str = ""
    image: bytes | None = None
    score: float | None = None


@dataclass(frozen=True)
class ExampleRow:
    """A note and its neighbours, best first."""

    query: ExampleNote
    neighbours: tuple[ExampleNote, ...]


@dataclass(frozen=True)
class Sample:
    """Notes to search in: `lists` has the (note_id, score) of the best neighbours, best first, of those that can be chosen.

    `notes` are these and their neighbours; a neighbour that was deleted since is not among them.
    """

    notes: tuple[ExampleNote, ...]
    lists: Mapping[str, tuple[tuple[str, float], ...]]


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
    examples: tuple[ExampleRow, ...]
    tables: dict[str, str]
    k: int
    agreements: tuple[Agreement, ...] = ()
    strengths: tuple[StrengthCut, ...] = ()
    judged: tuple[Judged, ...] = ()
    further: tuple[FurtherTable, ...] = ()
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
    duplicates: Duplicates | None = None
    map: CorpusMap | None = None
