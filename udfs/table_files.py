"""Rows that a task reads from Parquet files itself: Spark says which files, and never touches an element."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import chain
from typing import TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from udfs.arrow import ArrowMap, numbers_in, to_matrix
from uninote.errors import UninoteError
from uninote.lake.change_feed import THERE
from uninote.lake.parquet_files import open_parquet
from uninote.vectors.unit_length import check_unit

# Of a batch, whichever are fewer: four times as many rows were no faster, and wide vectors would take gigabytes.
_BATCH_ROWS = 1 << 14
_BATCH_BYTES = 32 << 20
Read = Callable[[str], Iterator[pa.RecordBatch]]
Keys = Callable[[], np.ndarray]  # int64
LastCommits = Callable[[], tuple[np.ndarray, np.ndarray]]
CHANGE_TYPE = "_change_type"  # a column of Delta's change feed
Rows = TypeVar("Rows", pa.RecordBatch, pa.Table)


def over_files(inner: ArrowMap, read: Read, paths: Sequence[str]) -> ArrowMap:
    """Map rows that hold a file's number in their first column to what `inner` makes of the rows of these files."""

    def run(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        rows = (read(paths[number]) for number in numbers_in(batches))
        yield from inner(gathered(chain.from_iterable(rows), size=_BATCH_BYTES))

    return run


def gathered(
    batches: Iterator[pa.RecordBatch], rows: int = _BATCH_ROWS, size: int | None = None
) -> Iterator[pa.RecordBatch]:
    """Put batches together until they have `rows` rows, or `size` bytes: many small files cost no more than a large one.

    All get the types of the first: files of a table may differ in whether elements of lists can be null, as those that Spark's
    OPTIMIZE or DELETE wrote say that they can.
    """
    held: list[pa.RecordBatch] = []
    schema = None
    for batch in batches:
        schema = schema or batch.schema
        held.append(batch if batch.schema == schema else batch.cast(schema))
        held_bytes = sum(batch.nbytes for batch in held)
        if sum(map(len, held)) >= rows or (size is not None and held_bytes >= size):
            yield pa.concat_batches(held) if len(held) > 1 else held[0]
            held = []
    if sum(map(len, held)):
        yield pa.concat_batches(held)


def make_reader(columns: Sequence[str], keys: Keys | None = None) -> Read:
    """Return a reader of some columns of a file, in batches: of all rows, or of those whose item_key is among `keys`."""

    def read(path: str) -> Iterator[pa.RecordBatch]:
        with open_parquet(path, by_batches=True) as file:
            if keys is None:
                yield from file.iter_batches(_rows_at_once(file), columns=list(columns), use_threads=False)
            else:
                yield from _pick(file, columns, keys())

    return read


def _rows_at_once(file: pq.ParquetFile) -> int:
    """Return how many rows of a file, all columns of them, make a batch."""
    size = 0
    for group in range(file.num_row_groups):
        size += file.metadata.row_group(group).total_byte_size
    rows: int = file.metadata.num_rows
    return max(1, min(_BATCH_ROWS, _BATCH_BYTES * rows // max(1, size)))


def _pick(file: pq.ParquetFile, columns: Sequence[str], keys: np.ndarray) -> Iterator[pa.RecordBatch]:
    """Yield the rows with one of `keys`; of row groups that hold none, only keys are read."""
    for group in range(file.num_row_groups):
        here = file.read_row_group(group, ["item_key"], use_threads=False)["item_key"].to_numpy()
        mine = np.isin(here, keys)
        if not mine.any():
            continue
        # Batch by batch: a group of 250,000 x 384 is 370 MiB, of which a recall's sample picks a few rows.
        first = 0
        rows = _rows_at_once(file)
        for batch in file.iter_batches(rows, row_groups=[group], columns=list(columns), use_threads=False):
            picked = mine[first : first + len(batch)]
            first += len(batch)
            if picked.any():
                yield batch.filter(pa.array(picked))


def as_read(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Yield rows as they were read."""
    yield from batches


def make_item_reader(columns: Sequence[str], kinds: Sequence[str], generation: str, keys: Keys | None = None) -> Read:
    """Return a reader of embedded items of some kinds.

    Raises UninoteError at one that another encoder made, DamagedFileError at a vector that is not of unit length.
    """
    read = make_reader([*dict.fromkeys([*columns, "kind", "generation"])], keys)

    def of_kinds(path: str) -> Iterator[pa.RecordBatch]:
        for batch in read(path):
            items = select_items(batch, kinds, generation, path).select(list(columns))
            check_vectors_of(items, path)
            yield items

    return of_kinds


def make_change_reader(
    columns: Sequence[str], kinds: Sequence[str], generation: str, versions: Mapping[str, int], last: LastCommits
) -> Read:
    """Return a reader of those rows of a change feed's files that are there now; by path, `versions` that committed them.

    `last` returns the keys, int64 ascending, and the version that put each there last.
    """

    def read(path: str) -> Iterator[pa.RecordBatch]:
        with open_parquet(path, by_batches=True) as file:
            # Files of plain inserts have no column of types: all their rows are there.
            has_types = CHANGE_TYPE in file.schema_arrow.names
            wanted = [*columns, "kind", "generation"]
            if has_types:
                wanted.append(CHANGE_TYPE)
            for batch in file.iter_batches(_rows_at_once(file), columns=wanted, use_threads=False):
                there = batch.filter(pc.is_in(batch.column(CHANGE_TYPE), pa.array(THERE))) if has_types else batch
                mine = select_items(there, kinds, generation, path)
                items = mine.filter(pa.array(_is_last(mine.column("item_key").to_numpy(), versions[path], *last())))
                items = items.select(list(columns))
                check_vectors_of(items, path)
                yield items

    return read


def _is_last(keys: np.ndarray, version: int, known: np.ndarray, commits: np.ndarray) -> np.ndarray:
    """Return bool (n,): which of `keys` are `known`, and were put there by `version` last."""
    if not len(known):
        return np.zeros(len(keys), dtype=bool)
    place = np.minimum(np.searchsorted(known, keys), len(known) - 1)
    return np.asarray((known[place] == keys) & (commits[place] == version))


def check_vectors_of(rows: pa.RecordBatch, place: str) -> None:
    """Raise DamagedFileError, naming the `place`, unless the vectors of rows, lists if they have any, are of unit length."""
    if "vector" in rows.schema.names and len(rows):
        column = rows.column("vector")
        check_unit(to_matrix(column), place)


def select_items(rows: Rows, kinds: Sequence[str], generation: str, place: str) -> Rows:
    """Return the embedded items of some kinds. Raises UninoteError, naming the `place`, at one that another encoder made."""
    found = set(pc.unique(rows.column("generation")).to_pylist()) - {generation}
    if found:
        raise UninoteError(f"{place}: a vector of generation {found.pop()} among those of {generation}")
    mine = pc.is_in(rows.column("kind"), pa.array(list(kinds)))
    return rows if pc.all(mine).as_py() else rows.filter(mine)
