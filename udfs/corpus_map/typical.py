"""Which notes of a task lie nearest to the centres of their branches."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pyarrow as pa

from udfs.arrow import ArrowMap, to_matrix
from udfs.corpus_map.words import WHOLE
from uninote.codes.codebook import Codebook
from uninote.corpus_map.typical import distances_to_centres, nearest_of_each

_SCHEMA = [("first", pa.int32()), ("second", pa.int32()), ("distance", pa.float32())]


def make_nearest(codebook: Codebook, most: int, most_below: int) -> ArrowMap:
    """Map rows (first, second, vector, note_id) to (first, second, distance, note_id): those nearest to each branch's centre.

    Of a branch of the first level, where `second` is WHOLE, there are up to `most`, of one below it up to `most_below`. It
    holds no more than these and a batch.
    """

    def run(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        kept: pa.Table | None = None
        for batch in batches:
            if len(batch):
                rows = _with_distances(codebook, batch)
                kept = _nearest(rows if kept is None else pa.concat_tables([kept, rows]), most, most_below)
        if kept is not None:
            yield from kept.combine_chunks().to_batches()

    return run


def _with_distances(codebook: Codebook, batch: pa.RecordBatch) -> pa.Table:
    """Return the rows twice: with the distance to the centre of their branch of the first level, and of that below it."""
    vectors = to_matrix(batch.column("vector"))
    codes = np.stack([batch.column(name).to_numpy() for name in ("first", "second")], axis=1)
    found = []
    for levels, second in ((1, np.full(len(codes), WHOLE)), (2, codes[:, 1])):
        centres, branches = np.unique(codes[:, :levels], axis=0, return_inverse=True)
        distances = distances_to_centres(vectors, branches.reshape(-1), codebook.decode(centres))
        columns = [codes[:, 0], second, distances]
        arrays = {name: pa.array(column, kind) for (name, kind), column in zip(_SCHEMA, columns, strict=True)}
        found.append(pa.table(arrays | {"note_id": batch.column("note_id")}))
    # Where codes have but one level, there is nothing below.
    below = found[1].filter(pa.array(codes[:, 1] != WHOLE))
    return pa.concat_tables([found[0], below])


def _nearest(rows: pa.Table, most: int, most_below: int) -> pa.Table:
    first, second, distance = (rows[name].to_numpy() for name in ("first", "second", "distance"))
    # One number for each branch, those of the first level apart.
    branches = first.astype(np.int64) * (int(second.max()) + 2) + second + 1
    is_whole = second == WHOLE
    kept = []
    for mine, count in ((np.flatnonzero(is_whole), most), (np.flatnonzero(~is_whole), most_below)):
        kept.append(mine[nearest_of_each(branches[mine], distance[mine], count)])
    return rows.take(pa.array(np.concatenate(kept)))
