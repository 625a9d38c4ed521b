"""Neighbours of some notes out of the published tables, without Spark: for services and notebooks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from deltalake import DeltaTable
from deltalake.exceptions import DeltaError

from uninote.errors import UninoteError
from uninote.lake.delta_files import has_log
from uninote.lake.generation_record import find_beside
from uninote.lake.parquet_files import DamagedFileError
from uninote.lake.record import read_record
from uninote.lake.releases.pointer import live_release
from uninote.lake.releases.watching import watch_release
from uninote.lake.rows_by_id import RowsById
from uninote.lake.takedowns.watch import InLake, Taken, Watch
from uninote.storage import lake_files

NoteId = str | int


STALE = "uninote.stale"  # a property of tables that nobody keeps fresh any more: it says since when


class NeighbourTableError(UninoteError):
    """There is no such table, or it is not fit to be read."""


def lookup(
    lake: str | Path, note_ids: Sequence[NoteId], table: str = "neighbours", generation: str | None = None
) -> dict[NoteId, list[tuple[NoteId, float]]]:
    """Return note_id -> [(note_id, score)], best first, of those of `note_ids` that have a list in the live release.

    Notes that are taken down are left out, as query and as neighbour, so that a list may be shorter.

    `lake` is the lake's folder, or its URI in an object store. `generation` may be left out where the table is there for one
    encoder only. The table is ordered by note_id, so a look-up reads the files and row groups that hold the ids, and nothing
    else. Raises NeighbourTableError when there is no such table, or several.
    """
    return open_table(lake, table, generation).get(note_ids)


@dataclass(frozen=True)
class Entry:
    """A neighbour: its cosine as `score`, its `strength` and its `confidence`, null where it has none (docs/neighbours.md)."""

    note_id: NoteId
    score: float
    strength: float | None
    confidence: float | None = None


class NeighbourTable:
    """One version of a neighbour table, for many look-ups: its list of files is read once.

    `version` null: the newest. Notes that `takedowns` names have no list and stand in none; null: whoever asks leaves them out.
    Raises NeighbourTableError where nobody keeps the table fresh any more, or where the version's files are not to be had.
    """

    def __init__(self, uri: str, version: int | None = None, takedowns: Watch | None = None) -> None:
        # Asked before the table is opened: what is erased in between is told apart from a damaged table.
        self._takedowns = takedowns
        try:
            table = DeltaTable(uri, version=version)
            self._rows = RowsById(uri, version, ("note_id", "neighbours"))
        except DeltaError as error:
            if takedowns is not None:
                takedowns.check()
            raise NeighbourTableError(
                f"version {version} of {uri} cannot be read ({str(error).splitlines()[0]}). Roll back to another release "
                "(uninote releases rollback), or run jobs/neighbours.py and jobs/release.py"
            ) from error
        if stale := table.metadata().configuration.get(STALE):
            raise NeighbourTableError(
                f"{uri} is stale ({stale}): it may name notes that are gone; put it back into neighbours.tables and run "
                "jobs/neighbours.py, or remove its folder"
            )

    def get(self, note_ids: Sequence[NoteId]) -> dict[NoteId, list[tuple[NoteId, float]]]:
        """Return what `lookup` does."""
        lists = {}
        for note_id, entries in self.entries(note_ids).items():
            lists[note_id] = [(entry.note_id, entry.score) for entry in entries]
        return lists

    def entries(self, note_ids: Sequence[NoteId]) -> dict[NoteId, list[Entry]]:
        """Return what `get` does, with strengths and confidences."""
        taken = Taken() if self._takedowns is None else self._takedowns.now()
        try:
            found = self._rows.find([one for one in note_ids if not taken.hides(one)])
        except DamagedFileError as error:
            if self._takedowns is not None:
                self._takedowns.check()
            raise NeighbourTableError(
                f"{error}; remove that file and run jobs/neighbours.py, which makes it anew"
            ) from error
        lists = {}
        for note_id, neighbours in zip(found["note_id"].to_pylist(), found["neighbours"].to_pylist(), strict=True):
            # Tables of earlier releases have neither.
            entries = (
                Entry(one["note_id"], one["score"], one.get("strength"), one.get("confidence")) for one in neighbours
            )
            lists[note_id] = [entry for entry in entries if not taken.hides(entry.note_id)]
        return lists


def open_table(lake: str | Path, table: str = "neighbours", generation: str | None = None) -> NeighbourTable:
    """Open a neighbour table as the live release has it. Raises NeighbourTableError and ReleaseError.

    In a lake that never had a release, or of another `generation` than the live one's, it is the newest version.
    """
    root = str(lake)
    # Refuses a lake of a later format.
    read_record(root)
    live = live_release(root)
    if live is not None and generation in (None, live.generation):
        path = live.path(table)
        return NeighbourTable(lake_files.join(root, path), live.tables[path], watch_release(root, live.id))
    generations = lake_files.folders_in(root) if generation is None else [generation]
    made = [name for name in generations if has_log(lake_files.join(root, name, table))]
    if len(made) > 1:
        # Further sets of vectors have a table of this name each, which nobody means who does not name its generation.
        made = [name for name in made if name not in find_beside(root)]
    if len(made) > 1:
        names = ", ".join(made)
        raise NeighbourTableError(f"{root} holds {table!r} of several encoders; name one as generation: {names}")
    if not made:
        states: set[str] = set()
        for name in generations:
            states.update(lake_files.folders_in(lake_files.join(root, name, "neighbour_state")))
        raise NeighbourTableError(
            f"{root}: no table {table!r} there; there are {', '.join(sorted(states)) or 'none'}. Run jobs/neighbours.py"
        )
    return NeighbourTable(lake_files.join(root, made[0], table), takedowns=Watch(InLake(root)))
