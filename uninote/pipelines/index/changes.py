"""What a night takes away from an index, and how far its data have drifted from what the template was trained on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from pyspark.sql import DataFrame

from uninote.index.folder import IndexFolder
from uninote.index.manifest import Manifest
from uninote.index.note_keys import NoteKeys
from uninote.index.search import read_gone
from uninote.index.template import Template
from uninote.pipelines.lake.changed_items import ChangedItems
from uninote.pipelines.lake.sampling import sample_vectors

ENOUGH_ROWS = 256  # fewer say nothing of drift
_DRIFT_ROWS = 4096


@dataclass(frozen=True)
class Gone:
    """The keys, sorted int64, that the base no longer answers for, and those that the segment since then no longer does."""

    base: np.ndarray
    since: np.ndarray

    @classmethod
    def of(cls, folder: IndexFolder, before: Manifest, changes: ChangedItems) -> Gone:
        """Sort what a night took away: each key was live in one of the two segments."""
        went = np.sort(np.asarray(changes.keys.where("was").select("item_key").toArrow()["item_key"].to_numpy()))
        held = [NoteKeys(folder.checked(shard.keys)).keys for shard in before.since.shards]
        since = np.intersect1d(went, np.concatenate([np.empty(0, np.int64), *held]))
        return cls(np.union1d(read_gone(folder, before.since), np.setdiff1d(went, since)), since)


def drift(template: Template, vectors: DataFrame, rows: int, base_rows: int, seed: int) -> dict[str, float]:
    """Return how much worse the template fits `vectors` than its own sample: ratios, 1 where nothing drifted.

    `code_error_ratio` is that of the mean squared distance between vectors and their decoded codes; `imbalance_ratio`
    that of sum(n²)/sum(n)² over the rows n of the lists, once these vectors join the base: what a search scans.
    """
    sample = sample_vectors(vectors, rows, min(rows, _DRIFT_ROWS), seed)[1]
    lists = np.bincount(template.assign(template.rotate(sample)), minlength=template.nlist) / len(sample)
    base = template.list_rows / template.list_rows.sum()
    joined = (base * base_rows + lists * rows) / (base_rows + rows)
    error = template.code_error(sample) / template.error if template.error > 0 else 1.0
    return {"code_error_ratio": error, "imbalance_ratio": float((joined**2).sum() / (base**2).sum())}
