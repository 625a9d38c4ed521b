"""Rows of notes that are taken down, told apart by note_id: by the ids that the list names, and by hashes of erased ones."""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa

from udfs.arrow import ArrowMap
from uninote.lake.takedowns.watch import Taken


def make_chosen(taken: Taken, *, hidden: bool) -> ArrowMap:
    """Keep the rows of notes that are taken down, or with `hidden` false all others; columns stay as they are."""

    def run(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            ids = batch.column("note_id").to_pylist()
            yield batch.filter(pa.array([taken.hides(one) == hidden for one in ids], pa.bool_()))

    return run
