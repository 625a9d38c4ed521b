"""Parts of a training set's tables, written inside executors: the same bytes whatever the tasks and their batches."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

import numpy as np
import pyarrow as pa
from pyarrow import parquet

from udfs.arrow import ArrowMap, to_batch
from uninote.storage import lake_files
from uninote.training.dataset.schemas import IMAGES, ITEMS

PART = "part"
WRITTEN = "part int, rows bigint"
NUMBERS = pa.schema(
    [
        pa.field("mark", pa.string()),
        pa.field("split", pa.string()),
        pa.field("item", pa.int64()),
        pa.field("group", pa.int64()),
        pa.field("kind", pa.string()),
        pa.field("elements", pa.list_(pa.string())),
    ]
)
"""One item a row: which number the content `mark` has in a split, and what a teacher takes it apart into."""


class Parts:
    """Writes the parts of a table, one after the other, each as one file whose name and bytes depend on its rows alone."""

    def __init__(self, folder: str, schema: pa.Schema) -> None:
        self._folder = folder
        self._schema = schema
        self._number = 0
        self._rows: list[pa.RecordBatch] = []

    def add(self, number: int, rows: pa.RecordBatch) -> None:
        """Take rows of a part; those of the part before are all there."""
        if number != self._number:
            self.close()
        self._number = number
        self._rows.append(to_batch(dict(zip(rows.schema.names, rows.columns, strict=True)), self._schema))

    def close(self) -> None:
        """Write what was taken."""
        if self._rows:
            # In one chunk: Parquet's pages would else end where the task's batches happened to.
            table = pa.Table.from_batches(self._rows).combine_chunks()
            sink = pa.BufferOutputStream()
            parquet.write_table(table, sink)
            path = lake_files.join(self._folder, f"part-{self._number:05d}.parquet")
            # Whole or not at all: a task that runs twice writes the same once more.
            lake_files.write(path, sink.getvalue().to_pybytes(), synced=False)
        self._rows = []


def by_part(batches: Iterator[pa.RecordBatch]) -> Iterator[tuple[int, pa.RecordBatch]]:
    """Yield rows that lie beside each other and are of one part."""
    for batch in batches:
        parts = batch.column(PART).to_numpy()
        ends = np.flatnonzero(np.diff(parts)) + 1
        for start, stop in pairwise([0, *ends.tolist(), len(parts)]):
            if stop > start:
                yield int(parts[start]), batch.slice(start, stop - start)


def make_parts(folder: str, schema: pa.Schema) -> ArrowMap:
    """Map rows of `schema` and `part`, those of a part in one task and beside each other, to the rows that each file has."""

    def run(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        parts = Parts(folder, schema)
        for number, rows in by_part(batches):
            parts.add(number, rows)
            yield pa.RecordBatch.from_pydict({PART: pa.array([number], pa.int32()), "rows": [len(rows)]})
        parts.close()

    return run


def make_images(folder: str) -> ArrowMap:
    """Map (digest, content, part) to the rows that each file of images has: of each digest its first content.

    Rows are ordered by all of them. A digest is wanted where its first row has no content, and is left out elsewhere.
    """

    def run(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        parts = Parts(folder, IMAGES)
        wanted = None
        for number, rows in by_part(batches):
            kept = []
            has_content = rows.column("content").is_valid().to_pylist()
            for digest, is_there in zip(rows.column("digest").to_pylist(), has_content, strict=True):
                kept.append(is_there and digest == wanted)
                wanted = None if is_there else digest
            rows = rows.filter(pa.array(kept))
            if len(rows):
                parts.add(number, rows)
            yield pa.RecordBatch.from_pydict({PART: pa.array([number], pa.int32()), "rows": [len(rows)]})
        parts.close()

    return run


def make_items(folder: str, firsts: Sequence[int]) -> ArrowMap:
    """Map contents of notes to NUMBERS, and write the items. `firsts` has the number of the first item of each part.

    Rows are those of drafts' contents with note_id, group, split and part, a part's in one task by (mark, split, note_id):
    of equal contents the first note's stays.
    """

    def run(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        parts = Parts(folder, ITEMS)
        part, item, last = -1, 0, None
        for number, rows in by_part(batches):
            if number != part:
                part, item, last = number, firsts[number], None
            keys = list(zip(rows.column("mark").to_pylist(), rows.column("split").to_pylist(), strict=True))
            is_new = [key != before for key, before in zip(keys, [last, *keys], strict=False)]
            last = keys[-1]
            rows = rows.filter(pa.array(is_new))
            columns = dict(zip(rows.schema.names, rows.columns, strict=True))
            columns["item"] = pa.array(range(item, item + len(rows)), pa.int64())
            item += len(rows)
            parts.add(number, pa.RecordBatch.from_pydict(columns))
            yield to_batch(columns, NUMBERS)
        parts.close()

    return run
