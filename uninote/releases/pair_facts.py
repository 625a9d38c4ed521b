"""What a release holds of a pair of notes: their rows, vectors, lists, groups of duplicates, and when each was joined."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow.compute as pc

from uninote.lake.delta_files import columns_of, files_of, folder_values
from uninote.lake.parquet_files import open_parquet
from uninote.lake.paths import embeddings_name
from uninote.lake.rows_by_id import NoteId, RowsById
from uninote.releases.open_release import OpenRelease

_KIND = "note"
_ATTRIBUTES = ("note_id", "category", "author", "language", "visibility", "updated_at")


@dataclass(frozen=True)
class NoteFacts:
    """One note of a pair: `item` is its row in items and `attributes` those of notes, null where the release has none.

    `set_aside` says why it has no vector, null where it has one. `joined_in`: the number of the update that joined it, 0 for
    the last full join, null where it was not joined. `vectors`: width -> float32 (width,). `group`: the note that represents
    its group of duplicates, null where it is in none.
    """

    note_id: NoteId
    item: dict[str, Any] | None
    attributes: dict[str, Any] | None
    set_aside: str | None
    joined_in: int | None
    vectors: dict[int, np.ndarray]
    group: NoteId | None


def facts_of(opened: OpenRelease, note_ids: Sequence[NoteId], widths: Sequence[int]) -> list[NoteFacts]:
    """Return what a release holds of some notes, in their order."""
    items = _rows(opened, "items", note_ids, ("note_id", "kind", "item_key", "content_hash"))
    notes = _rows(opened, "notes", note_ids, _ATTRIBUTES)
    aside = _rows(opened, "set_aside", note_ids, ("note_id", "kind", "reason", "message"))
    groups = _rows(opened, "duplicates", note_ids, ("note_id", "group_id"))
    vectors = {width: _vectors(opened, note_ids, width) for width in widths}
    joined = _updates(opened, note_ids)
    found = []
    for note in note_ids:
        reasons = [f"{row['reason']}: {row['message']}" for row in aside if _is(row, note)]
        found.append(
            NoteFacts(
                note_id=note,
                item=next((row for row in items if _is(row, note)), None),
                attributes=next((row for row in notes if row["note_id"] == note), None),
                set_aside=reasons[0] if reasons else None,
                joined_in=joined.get(note),
                vectors={width: of_width[note] for width, of_width in vectors.items() if note in of_width},
                group=next((row["group_id"] for row in groups if row["note_id"] == note), None),
            )
        )
    return found


def _is(row: dict[str, Any], note: NoteId) -> bool:
    return bool(row["note_id"] == note and row["kind"] == _KIND)


def _rows(opened: OpenRelease, name: str, ids: Sequence[NoteId], columns: Sequence[str]) -> list[dict[str, Any]]:
    """Return rows of a table of the release; none where it has no such table."""
    if name not in opened.tables:
        return []
    uri, version = opened.tables[name]
    there = columns_of(uri)
    found: list[dict[str, Any]] = RowsById(uri, version, [one for one in columns if one in there]).find(ids).to_pylist()
    return found


def _vectors(opened: OpenRelease, ids: Sequence[NoteId], width: int) -> dict[NoteId, np.ndarray]:
    found = {}
    for row in _rows(opened, embeddings_name(width), ids, ("note_id", "kind", "vector")):
        if row["kind"] == _KIND:
            found[row["note_id"]] = np.array(row["vector"], np.float32)
    return found


def _updates(opened: OpenRelease, ids: Sequence[NoteId]) -> dict[NoteId, int]:
    """Return by note the number of the last update that joined it; a folder of the table's files says the number."""
    if "neighbour_rows" not in opened.tables:
        return {}
    uri, version = opened.tables["neighbour_rows"]
    found: dict[NoteId, int] = {}
    for file in files_of(uri, version):
        if file.low is not None and not any(file.low <= one <= file.high for one in ids):  # type: ignore[operator]
            continue
        number = int(folder_values(uri, file.path).get("night", 0))
        with open_parquet(file.path) as stored:
            for note in pc.unique(stored.read(columns=["note_id"])["note_id"]).to_pylist():
                if note in ids:
                    found[note] = max(number, found.get(note, 0))
    return found
