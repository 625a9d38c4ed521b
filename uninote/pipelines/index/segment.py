"""The segment beside the base: all that changed since that was built, or all of its keys, voided."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from uninote.digests import digest
from uninote.index.files.records import Manifest, Segment, ShardFile
from uninote.index.files.stored_file import StoredFile
from uninote.index.voided import write_voided
from uninote.pipelines.index.build import Build, Carried, SegmentRows
from uninote.pipelines.index.changes import IndexChanges, keys_in
from uninote.pipelines.index.messages import now
from uninote.pipelines.index.recall import calibrate
from uninote.pipelines.index.rows import with_attributes
from uninote.pipelines.index.target import Target
from uninote.pipelines.runtime.progress import say


def make_segment(target: Target, before: Manifest, changes: IndexChanges) -> tuple[Manifest, dict[str, float]]:
    """Build the segment of all that changed since the base was built: new codes, and those of the segment before.

    Returns (manifest, metrics for the ledger); nothing is published.
    """
    build_id = _segment_id(target, before)
    rows = changes.summary.segment_rows
    voided = changes.voided
    added = changes.summary.added
    say(f"index w{target.width}: {added:,} rows are added, {changes.removed:,} removed; {rows:,} in segment {build_id}")
    shards: tuple[ShardFile, ...] = ()
    if rows:
        # Shards of a segment are as large as those of the base, and so fewer.
        num_shards = -(-rows * before.plan.num_shards // before.base.rows)
        template = before.template, changes.template
        carried = Carried(before.since.shards, voided.segment)
        wanted = SegmentRows(with_attributes(target.run, changes.vectors), rows, carried)
        build = Build(target.run, target.folder, build_id, before.plan.rerank)
        shards = build.segment(wanted, template, num_shards)
    file = _write_voided(target, build_id, voided.base)
    segment = Segment(build_id, rows, shards, len(voided.base), file, target.versions)
    after = replace(before, segments=(before.base, segment), live=changes.summary.rows, created_at=now())
    # Measured in every update: an index loses recall by updates, and only a figure of today says so.
    after, recall = calibrate(target, after, changes.template)
    return after, {**changes.summary.drift, **recall}


def void_all(target: Target, before: Manifest) -> Manifest:
    """Return the manifest of an index that has no rows any more: all keys of its base are void."""
    build_id = _segment_id(target, before)
    keys = keys_in(target.folder, before.base)
    say(f"index w{target.width}: no vectors are left; its {len(keys):,} rows are voided")
    segment = Segment(build_id, 0, (), len(keys), _write_voided(target, build_id, keys), target.versions)
    return replace(before, segments=(before.base, segment), live=0, created_at=now(), stale="")


def _segment_id(target: Target, before: Manifest) -> str:
    """Return an id that an attempt which was killed had too: its finished shards are used."""
    return digest(before.segments[-1].segment_id, target.versions)


def _write_voided(target: Target, build_id: str, keys: np.ndarray) -> StoredFile:
    return target.folder.put(f"gone-{build_id}.parquet", lambda path: write_voided(keys, path))
