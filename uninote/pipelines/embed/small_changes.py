"""What changed of a few notes without images, found in this process: for a handful of rows Spark plans longer than it takes.

It says what `steps.changes` says of the same notes; whatever is not plain is left to that.
"""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from pyspark.sql.pandas.types import to_arrow_schema

from udfs.notes.fingerprints import MODEL_COLUMNS, HashTask, make_content_hashes
from uninote.lake.change_feed import changed_values
from uninote.lake.delta_files import DeltaFilesError, files_of
from uninote.lake.rewriting import can_apply
from uninote.lake.schemas import CUTS, notes_table
from uninote.lake.small_tables import read_batches
from uninote.notes.attributes import NOTE_ATTRIBUTES
from uninote.pipelines.embed.guards.devices import may_differ
from uninote.pipelines.embed.steps import changes
from uninote.pipelines.embed.steps.accounting import Items
from uninote.pipelines.embed.steps.chunks import Census
from uninote.pipelines.embed.steps.recovery import Before, published
from uninote.pipelines.embed.steps.scope import looks_at_images
from uninote.pipelines.lake.run import Run
from uninote.pipelines.notes.images.media_roots import media_policy

MOST_NOTES = 2_000  # that changed: the driver holds their contents and vectors
MOST_BYTES = 256 << 20  # of the files of notes, items and what is set aside, which are read to find them
_KNOWN = ("item_id", "kind", "note_id", "content_hash")
_OF_ITEMS = ("meta_hash", "item_key", "degraded", *CUTS)


def find_small_work(run: Run, since: int | None, version: int, before: Before, widths: tuple[int, ...]) -> Items | None:
    """Return what there is to do for the notes that changed after version `since`; null where that is Spark's to find out.

    Each item has what a row of `find_changes` has, and MODEL_COLUMNS; those that are settled are left out.
    """
    if since is None or since > version or not _is_plain(run, before, widths):
        return None
    ids = changed_values(run.lake.uri("notes"), since, version, "note_id")
    if ids is None or len(ids) > MOST_NOTES:
        return None
    notes = _rows(run.lake.uri("notes"), ["note_id", *MODEL_COLUMNS, *NOTE_ATTRIBUTES], ids, version)
    items = _rows(run.generation.uri("items"), [*_KNOWN, *_OF_ITEMS], ids)
    aside = _rows(run.generation.uri("set_aside"), list(_KNOWN), ids)
    joined = _joined(notes, items, aside)
    if joined is None or any(row["images"] for row in notes):
        return None
    return [row for row in _compared(run, joined) if row["change"] not in changes.SETTLED]


def census_of(work: Items) -> Census:
    """Count what there is to do."""
    census = Census()
    groups: dict[tuple[Any, ...], Items] = {}
    for row in work:
        groups.setdefault((row["reason"], row["kind"], row["change"], row["was_set_aside"]), []).append(row)
    for (reason, kind, change, was_set_aside), rows in groups.items():
        keys = [row["item_key"] for row in rows if row["item_key"] is not None]
        is_stored = change in (changes.EDITED, changes.ATTRIBUTES, changes.DELETED) and keys
        low, high = (min(keys), max(keys)) if is_stored else (None, None)
        group = {"kind": kind, "change": change, "was_set_aside": was_set_aside, "items": len(rows)}
        census.add(group | {"low": low, "high": high, "last": max(keys, default=None)})
        if reason is not None:
            census.reasons[reason] += len(rows)
    return census


def _is_plain(run: Run, before: Before, widths: tuple[int, ...]) -> bool:
    """Say whether notes are all the items there are, all widths stand, and tables are few files that this process may write."""
    settings = run.config.embed
    # Workers of several kinds are compared with each other, which is Spark's way alone.
    is_usual = (
        not may_differ(run)
        and run.vector_table is None
        and tuple(settings.kinds) == ("note",)
        and not settings.retry_quarantined
    )
    if not is_usual or not before.has_all(widths) or looks_at_images(run):
        return False
    if not all(can_apply(run.generation.uri(name)) for name in published(widths)):
        return False
    places = [run.lake.uri("notes"), run.generation.uri("items"), run.generation.uri("set_aside")]
    try:
        return sum(file.size for uri in places for file in files_of(uri)) <= MOST_BYTES
    except DeltaFilesError:
        return False


def _rows(uri: str, columns: list[str], ids: pa.Array, version: int | None = None) -> Items:
    """Return the rows of the notes of these ids."""
    found: Items = []
    for batch in read_batches(uri, columns, version):
        mine = batch.filter(pc.is_in(batch["note_id"], ids.cast(batch["note_id"].type)))
        found += mine.to_pylist()
    return found


def _joined(notes: Items, items: Items, aside: Items) -> Items | None:
    """Return an item for each note that is or was, with what is known of it; null where a note has more than one."""
    known: dict[Any, dict[str, Any]] = {}
    for row in (*items, *aside):
        if row["note_id"] in known or row["kind"] != "note":
            return None
        known[row["note_id"]] = row
    joined = []
    for note in notes:
        joined.append(_item(note["note_id"], note, known.pop(note["note_id"], None)))
    for note_id, row in known.items():
        joined.append(_item(note_id, None, row))
    return joined


def _item(note_id: Any, note: dict[str, Any] | None, known: dict[str, Any] | None) -> dict[str, Any]:
    was_set_aside = known is not None and "meta_hash" not in known
    old = dict.fromkeys(_OF_ITEMS) | (known or {})
    return {
        **dict.fromkeys((*MODEL_COLUMNS, *NOTE_ATTRIBUTES)),
        **(note or {}),
        "note_id": note_id,
        "item_id": str(note_id),
        "kind": "note",
        "is_there": note is not None,
        "was_set_aside": was_set_aside,
        "old_content": old.get("content_hash"),
        "old_meta": "" if was_set_aside else old["meta_hash"],
        "item_key": old["item_key"],
        "degraded": old["degraded"],
        **{name: old[name] for name in CUTS},
        "files": None,
    }


def _compared(run: Run, joined: Items) -> Items:
    """Hash the items, and say of each what changed and why it is computed."""
    if not joined:
        return []
    task = HashTask(media_policy(run), run.config.media.threads, run.model.sees_images)
    hashed = to_arrow_schema(changes.hashed_schema(run))
    contents = [
        field for field in to_arrow_schema(notes_table(run.note_id).schema, timezone="UTC") if field.name != "note_id"
    ]
    schema = pa.schema([*hashed, *contents, pa.field("is_there", pa.bool_())])
    batch = pa.RecordBatch.from_pylist(joined, schema)
    found: Items = []
    for made in make_content_hashes(task, hashed)(iter([batch])):
        found += made.to_pylist()
    for row, given in zip(found, joined, strict=True):
        row |= {name: given[name] for name in MODEL_COLUMNS}
        row["change"] = _change(row)
        row["reason"] = _reason(row)
        if row["change"] in (changes.ATTRIBUTES, *changes.SETTLED):
            # What stays keeps the hash that its vectors are stored with, of whatever format.
            row["content_hash"] = row["old_content"]
    return found


def _has_same_content(row: dict[str, Any]) -> bool:
    return row["old_content"] is not None and row["old_content"] in (row["content_hash"], row["former_hash"])


def _change(row: dict[str, Any]) -> str:
    if row["content_hash"] is None:
        return changes.FORGOTTEN if row["was_set_aside"] else changes.DELETED
    if row["was_set_aside"]:
        return changes.QUARANTINED if _has_same_content(row) else changes.NEW
    if _has_same_content(row):
        return changes.UNCHANGED if row["old_meta"] == row["meta_hash"] else changes.ATTRIBUTES
    return changes.EDITED if row["item_key"] is not None else changes.NEW


def _reason(row: dict[str, Any]) -> str | None:
    if row["change"] == changes.ATTRIBUTES:
        return changes.ATTRIBUTES
    if row["change"] not in changes.MODEL:
        return None
    if not row["was_set_aside"] and row["item_key"] is None:
        return changes.NEW
    return changes.VECTOR if row["old_content"] is None else changes.TEXT
