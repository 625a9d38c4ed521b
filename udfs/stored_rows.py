"""Rows that a task reads from Parquet files itself: Spark says which files, and never touches an element."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from udfs.notes import ArrowMap
from uninote.errors import UninoteError

_BATCH_ROWS = 1 << 16
_FEW_ROWS = 1 << 14
Read = Callable[[str], Iterator[pa.RecordBatch]]
Rows = TypeVar("Rows", pa.RecordBatch, pa.Table)


def over_files(inner: ArrowMap, read: Read, paths: Sequence[str]) -> ArrowMap:
    """Map rows that hold a file's number in their first column to what `inner` makes of the rows of these files."""

    def run(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        numbers = (number for batch in batches for number in batch.column(0).to_pylist())
        yield from inner(gathered(batch for number in numbers for batch in read(paths[number])))

    return run


def gathered(batches: Iterator[pa.RecordBatch], rows: int = _FEW_ROWS) -> Iterator[pa.RecordBatch]:
    """Put batches together until they have `rows` rows: many small files cost no more than a large one."""
    held: list[pa.RecordBatch] = []
    for batch in batches:
        held.append(batch)
        if sum(map(len, held)) >= rows:
            yield pa.concat_batches(held) if len(held) > 1 else batch
            held = []
    if sum(map(len, held)):
        yield pa.concat_batches(held)


def make_reader(columns: Sequence[str]) -> Read:
    """Return a reader of some columns of a file, in batches."""

    def read(path: str) -> Iterator[pa.RecordBatch]:
        with pq.ParquetFile(path) as file:
            yield from file.iter_batches(_BATCH_ROWS, columns=list(columns), use_threads=False)

    return read


def make_item_reader(columns: Sequence[str], kinds: Sequence[str], generation: str) -> Read:
    """Return a reader of embedded items of some kinds. Raises UninoteError at one that another encoder made."""
    read = make_reader([*columns, "kind", "generation"])

    def of_kinds(path: str) -> Iterator[pa.RecordBatch]:
        for batch in read(path):
            yield select_items(batch, kinds, generation, path).select(list(columns))

    return of_kinds


def select_items(rows: Rows, kinds: Sequence[str], generation: str, place: str) -> Rows:
    """Return the embedded items of some kinds. Raises UninoteError, naming the `place`, at one that another encoder made."""
    found = set(pc.unique(rows.column("generation")).to_pylist()) - {generation}
    if found:
        raise UninoteError(f"{place}: a vector of generation {found.pop()} among those of {generation}")
    mine = pc.is_in(rows.column("kind"), pa.array(list(kinds)))
    return rows if pc.all(mine).as_py() else rows.filter(mine)
