"""What a run of the index stage has to do with the index of one width; nothing here reads or starts anything."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from uninote.index.files.records import Manifest

ENOUGH_ROWS = 256  # to judge drift by: fewer say nothing


@dataclass(frozen=True)
class Wanted:
    """What this run asks for: digests of the settings that shape an index, and of those its searches are calibrated with.

    `versions` are those of the tables that it reads. `nprobe` null: as many lists as calibration says. The rest is what
    IndexConfig has.
    """

    settings: str
    versions: Mapping[str, int]
    calibration: str
    nprobe: int | None = None
    retrain: str = "warn"
    compact_share: float = 0.2
    max_drift: float = 1.5

    def is_calibrated(self, index: Manifest) -> bool:
        """Say whether searches look into as many lists as the configuration asks for, or as were measured for it."""
        # Indexes of format 2 have no calibration: theirs is "", which is nobody's digest.
        return (index.calibration, index.nprobe_asked, index.stale) == (self.calibration, self.nprobe, "")


@dataclass(frozen=True)
class Changes:
    """What changed since the last run, of `rows` vectors in all: `added` are new or changed.

    A segment beside the base would have `segment_rows`, and void `voided` rows of the base. `drift` is how much worse the
    template fits the added rows than its own sample: ratios by name, as `changes.measure_drift` says.
    """

    rows: int
    added: int
    segment_rows: int
    voided: int
    drift: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Unchanged:
    """The index is as new as the embeddings."""


@dataclass(frozen=True)
class Recalibrate:
    """The rows stay; how many lists a search looks into is measured again, and the manifest published."""


@dataclass(frozen=True)
class NewSegment:
    """All that changed since the base was built becomes the one segment beside it."""


@dataclass(frozen=True)
class NewBase:
    """All rows are built again; `reason` says why. `template` is the one to keep where the plan fits it, null: train one."""

    reason: str
    template: str | None = None


Decision = Unchanged | Recalibrate | NewSegment | NewBase


def keeps_settings(before: Manifest | None, wanted: Wanted) -> bool:
    """Say whether the settings allow to keep an index: only then do its files matter."""
    return before is not None and before.fingerprint == wanted.settings and wanted.retrain != "now"


def needs_changes(before: Manifest | None, wanted: Wanted, damage: str | None) -> bool:
    """Say whether `decide` needs to know what changed: looking that up takes reading the change feed."""
    if before is None or damage is not None or not keeps_settings(before, wanted):
        return False
    return before.segments[-1].versions != wanted.versions


def decide(
    before: Manifest | None, wanted: Wanted, changes: Changes | None, damage: str | None = None, recorded: bool = True
) -> Decision:
    """Return what to do with an index, of which `before` is the manifest; null where there is none.

    `changes` is null where the change feed does not reach back to the last run; it is not looked at unless `needs_changes`.
    `damage` says in a sentence what is wrong with the index's files, null where nothing is; `recorded` whether the ledger
    has what the index was last published with.
    """
    if before is None:
        return NewBase("there is no index to start from")
    if before.fingerprint != wanted.settings:
        return NewBase("the settings are not those it was built with")
    if wanted.retrain == "now":
        return NewBase("index.retrain is now")
    if damage is not None:
        return NewBase(damage, before.template)
    if before.segments[-1].versions == wanted.versions:
        return Unchanged() if recorded and wanted.is_calibrated(before) else Recalibrate()
    if changes is None:
        return NewBase("the items' change feed does not reach back to the last build", before.template)
    drifted = drift_message(before, wanted, changes)
    if drifted is not None and wanted.retrain == "auto":
        return NewBase(drifted)
    reason = _why_compact(before, wanted, changes)
    return NewSegment() if reason is None else NewBase(reason, before.template)


def _why_compact(before: Manifest, wanted: Wanted, changes: Changes) -> str | None:
    """Return why the base must be built again though its template fits; null where a segment beside it will do."""
    if (changes.segment_rows + changes.voided) / before.base.rows > wanted.compact_share:
        return (
            f"{changes.segment_rows:,} rows were added to its {before.base.rows:,} and {changes.voided:,} voided since the "
            f"base was built, more than index.compact_share={wanted.compact_share}"
        )
    live = before.base.rows - changes.voided + changes.segment_rows
    if live != changes.rows:
        return f"it would have {live:,} rows, and the table has {changes.rows:,}"
    return None


def drift_message(before: Manifest, wanted: Wanted, changes: Changes) -> str | None:
    """Return how the template no longer fits the added rows; null where it does, or where there are not enough to judge."""
    if changes.added < ENOUGH_ROWS or max(changes.drift.values(), default=0.0) <= wanted.max_drift:
        return None
    ratios = ", ".join(f"{name} {value:.2f}" for name, value in changes.drift.items())
    return f"the template {before.template} no longer fits ({ratios}; index.max_drift is {wanted.max_drift})"
