"""`uninote neighbours` and `uninote show`: what a lake holds of some notes."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from deltalake import DeltaTable

from uninote.errors import UninoteError
from uninote.lake.delta_files import has_log
from uninote.lake.paths import Lake
from uninote.lake.record import read_record
from uninote.lake.releases.pointer import live_release
from uninote.lake.rows_by_id import RowsById
from uninote.lake.takedowns.watch import taken_down
from uninote.neighbours.lookup import open_table
from uninote.storage.lake_files import folders_in
from uninote.terminal import write

_ITEM_COLUMNS = ("item_key", "item_id", "kind", "content_hash", "tokens_cut", "images_left_out")
_SHOWN = 300  # characters of a text, for people


class NotFoundError(UninoteError):
    """The lake holds no such note."""


def neighbours_of(lake: str, notes: Sequence[str], table: str, generation: str | None) -> dict[str, Any]:
    """Return the list of each note in `table`, best first, with titles. Raises NotFoundError where a note has none."""
    ids = typed(lake, notes)
    check_shown(lake, ids)
    found = open_table(lake, table, generation).entries(ids)
    missing = [str(one) for one in ids if one not in found]
    if missing:
        raise NotFoundError(f"{', '.join(missing)}: no list in {table}; `uninote show` says what the lake holds of it")
    others = {entry.note_id for entries in found.values() for entry in entries}
    titles = {row["note_id"]: row["title"] for row in _rows(lake, "notes", [*others, *ids], ("note_id", "title"))}
    lists = []
    for note in ids:
        entries = []
        for rank, one in enumerate(found[note], 1):
            entries.append({"rank": rank, **asdict(one), "title": titles.get(one.note_id)})
        lists.append({"note_id": note, "title": titles.get(note), "neighbours": entries})
    return {"lake": lake, "table": table, "lists": lists}


def print_neighbours(found: dict[str, Any]) -> None:
    """Print lists for people."""
    for one in found["lists"]:
        write(sys.stdout, f"{one['note_id']}  {_short(one['title'])}\n")
        for entry in one["neighbours"]:
            strength = "     " if entry["strength"] is None else f"{entry['strength']:5.1f}"
            confidence = "" if entry["confidence"] is None else f"{100 * entry['confidence']:3.0f} %  "
            shown = f"{entry['score']:.4f}  {strength}  {confidence}{entry['note_id']}  {_short(entry['title'])}"
            line = f"  {entry['rank']:>3}  {shown}\n"
            write(sys.stdout, line)


def notes_of(lake: str, notes: Sequence[str]) -> dict[str, Any]:
    """Return the row of each note, its items by generation, and its rows in quarantine. Raises NotFoundError."""
    ids = typed(lake, notes)
    check_shown(lake, ids)
    stored = {row["note_id"]: row for row in _rows(lake, "notes", ids)}
    quarantine = _quarantine(lake, ids)
    shown = []
    for note in ids:
        if note not in stored and not quarantine[note]:
            raise NotFoundError(f"{note}: the lake holds nothing of it: neither a note nor a row in quarantine")
        items = {}
        for generation in _generations(lake):
            rows = _rows(lake, f"{generation}/items", [note], _ITEM_COLUMNS)
            items[generation] = rows
        shown.append({"note": stored.get(note), "items": items, "quarantine": quarantine[note]})
    return {"lake": lake, "notes": shown}


def print_notes(found: dict[str, Any]) -> None:
    """Print notes for people."""
    for one in found["notes"]:
        for name, value in (one["note"] or {}).items():
            if value not in (None, [], ""):
                text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
                write(sys.stdout, f"{name:<12} {_short(text)}\n")
        for generation, items in one["items"].items():
            kinds = ", ".join(f"{row['kind']} {row['item_key']}" for row in items) or "no vector"
            write(sys.stdout, f"{'items':<12} {generation}: {kinds}\n")
        for row in one["quarantine"]:
            write(sys.stdout, f"{'quarantine':<12} {row['stage']} {row['reason']}: {_short(row['message'])}\n")
        write(sys.stdout, "\n")


def check_shown(lake: str, ids: Sequence[str | int]) -> None:
    """Raise NotFoundError where one of some notes is taken down."""
    taken = taken_down(lake)
    hidden = [str(note) for note in ids if taken.hides(note)]
    if hidden:
        raise NotFoundError(f"{', '.join(hidden)}: taken down; `uninote takedown list` says when and why")


def typed(lake: str, notes: Sequence[str]) -> list[str | int]:
    """Return ids as the lake has them: numbers where its note_id is a bigint. Raises UninoteError."""
    read_record(lake)
    uri = Lake(lake).uri("notes")
    if not has_log(uri):
        raise UninoteError(f"{lake} has no notes yet; run jobs/refresh.py, or name another place")
    kind = pa.schema(DeltaTable(uri, without_files=True).schema().to_arrow()).field("note_id").type
    if not pa.types.is_integer(kind):
        return list(notes)
    try:
        return [int(note) for note in notes]
    except ValueError as error:
        raise UninoteError(f"notes of this lake have numbers, and one of {', '.join(notes)} is none") from error


def typed_if_known(lake: str, notes: Sequence[str]) -> list[str | int]:
    """Return ids as `typed` does; as they are where the lake has no notes yet."""
    return typed(lake, notes) if notes and has_log(Lake(lake).uri("notes")) else list(notes)


def _rows(
    lake: str, table: str, ids: Sequence[str | int], columns: Sequence[str] | None = None
) -> list[dict[str, Any]]:
    """Return the rows of a table whose note_id is one of `ids`: files whose bounds hold none of them are not read.

    As the live release has the table; the newest version of one that is in no release, such as those of a model in the making.
    """
    uri = Lake(lake).uri(table)
    if not has_log(uri):
        return []
    live = live_release(lake)
    version = None if live is None else live.tables.get(table)
    stored = [field.name for field in DeltaTable(uri, version=version, without_files=True).schema().fields]
    there = stored if columns is None else [name for name in columns if name in stored]
    found: list[dict[str, Any]] = (
        RowsById(uri, version, ["note_id", *(name for name in there if name != "note_id")]).find(ids).to_pylist()
    )
    return found


def _quarantine(lake: str, ids: Sequence[str | int]) -> dict[str | int, list[dict[str, Any]]]:
    """Return the rows in quarantine of each note and of its images, whose ids begin with the note's."""
    found: dict[str | int, list[dict[str, Any]]] = {note: [] for note in ids}
    uri = Lake(lake).uri("quarantine")
    if has_log(uri):
        rows = DeltaTable(uri).to_pyarrow_dataset()
        for note in ids:
            mine = (pc.field("item_id") == str(note)) | pc.starts_with(pc.field("item_id"), f"{note}#")
            found[note] = rows.to_table(filter=mine).to_pylist()
    return found


def _generations(lake: str) -> list[str]:
    return [name for name in folders_in(lake) if has_log(Lake(lake).uri(f"{name}/items"))]


def _short(text: str | None) -> str:
    """Return the beginning of a text, in one line."""
    line = " ".join((text or "").split())
    return line if len(line) <= _SHOWN else f"{line[:_SHOWN]}…"
