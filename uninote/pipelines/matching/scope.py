"""What has to be compared: notes and entries that changed since the last run, by the change feeds of both tables."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from uninote.digests import digest
from uninote.lake.change_feed import changed_values
from uninote.lake.delta_files import files_of
from uninote.lake.schemas import GALLERY, struct_of
from uninote.pipelines.lake import tables
from uninote.pipelines.lake.ledger import Entry, last_of
from uninote.pipelines.lake.reading.changed_items import changed_items
from uninote.pipelines.lake.reading.snapshot import Snapshot
from uninote.pipelines.lake.reading.stored_vectors import StoredVectors
from uninote.pipelines.lake.run import Run

_LAYOUT = 1  # of how items are compared


@dataclass(frozen=True)
class Scope:
    """What a run compares, of the vectors and the `gallery` version that it pinned.

    `notes` (note_id) changed, null: all count as changed. `keys`, int64 ascending, are of all items of theirs that are there.
    `changed` items changed, those that are gone included. `entries` are ids of entries that changed, null: all.
    """

    run: Run
    vectors: StoredVectors
    gallery: int
    notes: DataFrame | None
    keys: np.ndarray
    changed: int
    entries: Sequence[str] | None

    @property
    def is_whole(self) -> bool:
        """Whether every item is compared with every entry."""
        return self.notes is None

    @property
    def is_empty(self) -> bool:
        """Whether nothing changed."""
        return self.notes is not None and self.entries is not None and not self.changed and not self.entries

    def in_scope(self, pairs: DataFrame) -> DataFrame:
        """Return those pairs, with note_id and entry_id, of which the note or the entry changed."""
        if self.notes is None or self.entries is None:
            return pairs
        notes = F.broadcast(self.notes.withColumn("note_changed", F.lit(True)))
        ids = self.run.spark.createDataFrame(pa.table({"entry_id": pa.array(self.entries, pa.string())}))
        entries = F.broadcast(ids.withColumn("entry_changed", F.lit(True)))
        marked = pairs.join(notes, "note_id", "left").join(entries, "entry_id", "left")
        return marked.where("note_changed OR entry_changed").drop("note_changed", "entry_changed")

    @cached_property
    def settings(self) -> str:
        """A digest of what all matches depend on beside notes and entries: with another, everything is compared."""
        return digest(_LAYOUT, sorted(self.vectors.kinds), self.vectors.width, self.run.config.match.near_copies)

    @cached_property
    def gallery_paths(self) -> list[str]:
        """The gallery's files, which tasks read."""
        return [file.path for file in files_of(self.run.generation.uri(GALLERY.name), self.gallery)]


def find_scope(run: Run, snapshot: Snapshot, last: Entry | None) -> Scope:
    """Return what changed since the run `last`, null: everything is compared."""
    vectors = StoredVectors(run, snapshot, snapshot.widths[0], run.config.embed.kinds)
    gallery = tables.table_version(run.generation.uri(GALLERY.name))
    whole = Scope(run, vectors, gallery, None, np.empty(0, np.int64), 0, None)
    newest = last_of(run.lake, "match", "all")
    # A run of another model closed the matches of this one.
    was_ours = newest is not None and newest["generation"] == run.model.generation
    if last is None or not was_ours or last["fingerprint"] != whole.settings:
        return whole
    since, version = last["inputs"]["items"], snapshot.versions["items"]
    entries = _changed_entries(run, last["inputs"]["gallery"], gallery)
    feed = changed_items(run.generation.uri("items"), vectors.kinds, since, version)
    if feed is None or entries is None:
        return whole
    if not len(feed.keys):
        nothing = tables.no_rows(run.spark, struct_of(note_id=run.note_id))
        return Scope(run, vectors, gallery, nothing, feed.keys, 0, entries)
    notes = _changed_notes(run, vectors.kinds, since, version)
    return Scope(run, vectors, gallery, notes, keys_of(snapshot, vectors.kinds, notes), len(feed.keys), entries)


def _changed_entries(run: Run, since: int, version: int) -> list[str] | None:
    """Return the ids of entries that changed; None where the feed does not say."""
    if since >= version:
        return [] if since == version else None
    found = changed_values(run.generation.uri(GALLERY.name), since, version, "entry_id")
    return None if found is None else sorted(found.to_pylist())


def _changed_notes(run: Run, kinds: Sequence[str], since: int, version: int) -> DataFrame:
    """Return the (note_id) of notes of which an item changed, came or went."""
    feed = tables.read_changes(run.spark, run.generation.uri("items"), since + 1, version)
    return feed.where(F.col("kind").isin(*kinds)).select("note_id").distinct().persist()


def keys_of(snapshot: Snapshot, kinds: Sequence[str], notes: DataFrame) -> np.ndarray:
    """Return the keys of all items of some notes, ascending: the best of a note may be an item that did not change."""
    items = snapshot.read("items").where(F.col("kind").isin(*kinds))
    keys = items.join(F.broadcast(notes), "note_id", "left_semi").select("item_key").toArrow()["item_key"].to_numpy()
    return np.unique(np.asarray(keys, np.int64))
