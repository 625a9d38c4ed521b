"""What changed in an index since its last run: rows that were added, keys that are void, and how far the data have drifted."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from uninote.index.files.folder import IndexFolder
from uninote.index.files.records import Manifest, Segment
from uninote.index.note_keys import NoteKeys
from uninote.index.template.template import Template, load_template
from uninote.index.voided import read_voided
from uninote.pipelines.index.decision import Changes
from uninote.pipelines.index.rows import Rows, are_few
from uninote.pipelines.index.target import ROW_COLUMNS, Target
from uninote.pipelines.lake.reading.changed_items import ChangedItems, changed_items
from uninote.pipelines.lake.reading.stored_vectors import StoredVectors
from uninote.vectors.sampling import first_in_order

_DRIFT_ROWS = 4096


@dataclass(frozen=True)
class VoidedKeys:
    """The keys, sorted int64, that `base` no longer answers for, and those that the segment beside it no longer does."""

    base: np.ndarray
    segment: np.ndarray


@dataclass(frozen=True)
class IndexChanges:
    """What changed since the last run.

    `vectors` are the rows to add, new or changed, target.ROW_COLUMNS; `removed` counts the rows that were there
    before, changed or deleted since; `voided` are their keys, and those of earlier runs. `template` is the index's own.
    """

    vectors: Rows
    removed: int
    voided: VoidedKeys
    template: Template
    summary: Changes


@contextmanager
def find_changes(target: Target, before: Manifest) -> Iterator[IndexChanges | None]:
    """Yield what changed since the index was last published; null where the change feed does not reach back.

    Raises IndexDamagedError where a file of the index is not as its manifest says.
    """
    since = before.segments[-1].versions["items"]
    items = target.run.generation.uri("items")
    feed = changed_items(items, before.kinds, since, target.versions["items"])
    if feed is None:
        yield None
        return
    if are_few(target, len(feed.keys)):
        yield _index_changes(target, before, feed, target.vectors.held(ROW_COLUMNS, feed.keys))
        return
    wanted = target.run.spark.sparkContext.broadcast(feed.keys)
    vectors = target.vectors.rows(ROW_COLUMNS, lambda: wanted.value).persist()
    try:
        yield _index_changes(target, before, feed, vectors)
    finally:
        vectors.unpersist()
        wanted.destroy()


def _index_changes(target: Target, before: Manifest, feed: ChangedItems, vectors: Rows) -> IndexChanges:
    added = np.empty(0, np.int64)
    if len(feed.keys):
        # Looked up, since the feed also names items that have no vector.
        added = _keys_of(vectors)
    removed = feed.keys[feed.existed]
    template = load_template(target.folder, before.template)
    voided = _voided_keys(target.folder, before, removed)
    summary = Changes(
        rows=target.rows,
        added=len(added),
        segment_rows=before.since.rows - len(voided.segment) + len(added),
        voided=len(voided.base),
        drift=measure_drift(template, target.vectors, added, before.live),
    )
    return IndexChanges(vectors, len(removed), voided, template, summary)


def _keys_of(rows: Rows) -> np.ndarray:
    table = rows if isinstance(rows, pa.Table) else rows.select("item_key").toArrow()
    return np.asarray(table["item_key"].to_numpy())


def _voided_keys(folder: IndexFolder, before: Manifest, removed: np.ndarray) -> VoidedKeys:
    """Return the keys that are not live any more, those `removed` now included: each was live in one of the two segments."""
    segment = np.intersect1d(removed, keys_in(folder, before.since))
    base = np.setdiff1d(removed, segment)
    return VoidedKeys(np.union1d(read_voided(folder, before.since), base), segment)


def keys_in(folder: IndexFolder, segment: Segment) -> np.ndarray:
    """Return the keys of all rows of a segment, int64 ascending, those included that a later segment voids."""
    keys = [np.empty(0, np.int64)]
    for shard in segment.shards:
        keys.append(NoteKeys(folder.checked(shard.keys)).keys)
    return np.unique(np.concatenate(keys))


def measure_drift(template: Template, vectors: StoredVectors, added: np.ndarray, base_rows: int) -> dict[str, float]:
    """Return how much worse the template fits the vectors of the keys `added` than its own sample; nothing without keys.

    Two ratios, 1 where nothing drifted: `code_error_ratio` of the mean squared distance between vectors and their decoded
    codes; `imbalance_ratio` of sum(n²)/sum(n)² over the rows n of the lists, once these vectors join the base: what a
    search scans.
    """
    rows = len(added)
    if not rows:
        return {}
    # A sample will do: a mean over 4,096 rows is close enough for a ratio that is acted on from 1.5.
    _, sample = vectors.pick(added[first_in_order(added, _DRIFT_ROWS, seed=0)])
    lists = np.bincount(template.assign(template.rotate(sample)), minlength=template.nlist) / len(sample)
    base = template.list_rows / template.list_rows.sum()
    joined = (base * base_rows + lists * rows) / (base_rows + rows)
    error = template.code_error(sample) / template.error if template.error > 0 else 1.0
    return {"code_error_ratio": error, "imbalance_ratio": float((joined**2).sum() / (base**2).sum())}
