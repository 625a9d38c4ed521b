"""What a run of the neighbours stage has to do: nothing, a join of all notes, or an update of the lists of the last run.

Nothing here reads or starts anything: the stage looks at the ledger and the tables, and `decide` judges what it found.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from uninote.digests import digest
from uninote.neighbours.planning.costs import FULL_SHARE, MOST_ROWS, Costs


@dataclass(frozen=True)
class LastRun:
    """What the ledger says of the last run that finished.

    `settings` is the fingerprint of those it ran with, `inputs` and `outputs` are the versions of the tables that it read
    and left, by name. `as_of` is the time it counted ages from, in seconds since the epoch.
    """

    settings: str
    inputs: Mapping[str, int]
    outputs: Mapping[str, int]
    as_of: int


@dataclass(frozen=True)
class Present:
    """What this run finds: the fingerprint of its settings, and the versions of the tables that it reads, by name.

    `as_of` is the time that ages are counted from, in seconds since the epoch; null where no table depends on ages.
    `damage` says in a sentence what is wrong with the tables that the last run published; null where nothing is.
    """

    settings: str
    versions: Mapping[str, int]
    as_of: int | None = None
    damage: str | None = None

    def has_inputs_of(self, last: LastRun) -> bool:
        """Say whether the last run read the same versions, and counted ages from the same time if that matters."""
        return last.inputs == self.versions and self.as_of in (None, last.as_of)


@dataclass(frozen=True)
class ChangedNotes:
    """The `keys`, int64 ascending, of notes that changed or were deleted since the last run, and of the `deleted` ones."""

    keys: np.ndarray
    deleted: np.ndarray


@dataclass(frozen=True)
class Changes:
    """What an update would have to deal with, of `rows` notes in all.

    `notes` are those since the last run; null where the change feed does not reach back that far, or names more rows than the
    driver holds. `added_rows` counts what updates wrote into the cells
    since the last full join. `unreadable` says in a sentence why those cells cannot be read; null where they can. `costs` are
    those of either way, null where the ledger does not know them.
    """

    rows: int
    notes: ChangedNotes | None
    added_rows: int = 0
    unreadable: str | None = None
    costs: Costs | None = None


@dataclass(frozen=True)
class Unchanged:
    """The tables are as new as the embeddings."""


@dataclass(frozen=True)
class FullJoin:
    """All notes have to be joined; `reason` says why, and `costs` are those of either way where the ledger knows them."""

    reason: str
    costs: Costs | None = None


@dataclass(frozen=True)
class Update:
    """The lists of the last run have to be updated, as some notes `changed`.

    `reason` and `costs` are as those of a FullJoin.
    """

    reason: str
    changed: ChangedNotes
    costs: Costs | None = None


Decision = Unchanged | FullJoin | Update


def signature_of(settings: str, inputs: Mapping[str, int], as_of: int) -> str:
    """Return the fingerprint that tables made with these settings of these inputs are signed with."""
    return digest(settings, dict(inputs), as_of)


def needs_changes(last: LastRun | None, present: Present) -> bool:
    """Say whether `decide` needs to know what changed: looking that up takes reading the change feed."""
    if last is None or last.settings != present.settings:
        return False
    return present.damage is not None or not present.has_inputs_of(last)


def decide(
    last: LastRun | None, present: Present, changes: Changes | None, full_share: float | None = None
) -> Decision:
    """Return what to do. `full_share` is the share of changed notes above which all are joined, whatever that costs.

    Where it is null the cheaper way is taken; where the ledger does not know the costs, FULL_SHARE says which.

    `changes` may be null only where `needs_changes` says so; ValueError is raised otherwise.
    """
    if last is None:
        return FullJoin("no earlier run left lists to start from")
    if last.settings != present.settings:
        return FullJoin("the settings are not those of the last run")
    if not needs_changes(last, present):
        return Unchanged()
    if changes is None:
        raise ValueError("the changes since the last run are needed to decide")
    if changes.notes is None:
        return FullJoin("the change feed of items does not reach back to the last run, or names too many rows")
    changed = len(changes.notes.keys)
    reason = _why_impossible(changes) or _why_dearer(changes, changed, full_share)
    if reason is not None:
        return FullJoin(reason, changes.costs)
    why = present.damage or f"{changed:,} notes changed"
    if full_share is None and changes.costs is not None:
        why += f"; {changes.costs}"
    return Update(why, changes.notes, changes.costs)


def _why_impossible(changes: Changes) -> str | None:
    """Return why no update can be made, or none on top of those before; null where neither holds."""
    if changes.unreadable is not None:
        return changes.unreadable
    if changes.rows > MOST_ROWS:
        return f"{changes.rows:,} notes are more than the {MOST_ROWS:,} whose limits fit into a task"
    if changes.added_rows > changes.rows:
        return f"updates added {changes.added_rows:,} rows to the cells since all {changes.rows:,} notes were joined"
    return None


def _why_dearer(changes: Changes, changed: int, full_share: float | None) -> str | None:
    """Return why an update would cost more than a full join; null where it does not."""
    why = f"{changed:,} of {changes.rows:,} notes changed"
    if full_share is None and changes.costs is not None:
        return f"{why}; {changes.costs}" if changes.costs.update_s > changes.costs.join_s else None
    share = FULL_SHARE if full_share is None else full_share
    return why if changed > share * changes.rows else None
