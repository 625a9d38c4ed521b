"""Whose index lies in a folder: two lakes with one `index.folder` must not take each other's for their own."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from pyspark.sql import functions as F

from uninote.errors import UninoteError
from uninote.index.files.folder import IndexFolder
from uninote.index.files.records import Manifest
from uninote.index.note_keys import NoteKeys
from uninote.pipelines.lake import tables
from uninote.pipelines.lake.run import Run

_SAMPLE = 1000  # keys of an index that are compared with this lake's


def owned(run: Run, folder: IndexFolder, manifest: Manifest) -> Manifest:
    """Return the manifest as this lake's own. Raises UninoteError where the index is another lake's.

    One of before lakes had ids is this lake's if its keys name the same notes, or if it lies in the lake itself.
    """
    if manifest.lake_id == run.lake_id:
        return manifest
    if manifest.lake_id is not None:
        raise UninoteError(
            f"{folder} holds the index of the lake {manifest.lake_id}, and {run.lake.root} is the lake {run.lake_id}; set "
            "index.folder to a folder that no other lake uses, or remove that index"
        )
    inside = folder.uri.startswith(run.lake.root.rstrip("/") + "/")
    if not inside and not _names_our_notes(run, folder, manifest):
        raise UninoteError(
            f"{folder} holds an index whose keys are not those of the notes of {run.lake.root}: it is another lake's; set "
            "index.folder to a folder that no other lake uses, or remove that index"
        )
    return replace(manifest, lake_id=run.lake_id)


def _names_our_notes(run: Run, folder: IndexFolder, manifest: Manifest) -> bool:
    """Say whether most keys of a sample are items here, and those of the same notes: some may have been deleted since."""
    shard = manifest.base.shards[0]
    notes = NoteKeys(folder.checked(shard.keys))
    places = np.unique(np.linspace(0, len(notes.keys) - 1, _SAMPLE).astype(np.int64))
    named = dict(zip(notes.keys[places].tolist(), notes.note_ids(places).tolist(), strict=True))
    uri = run.generation.uri("items")
    if not tables.has_table(uri):
        return False
    items = tables.read_table(run.spark, uri).where(F.col("item_key").isin(list(named)))
    found = items.select("item_key", "note_id").collect()
    return 2 * len(found) >= len(named) and all(named[row["item_key"]] == row["note_id"] for row in found)
