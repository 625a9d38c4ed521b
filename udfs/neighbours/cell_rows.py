"""The rows of each cell as updates read them: vectors side by side, the leaves each row lies in, without deleted rows.

A cell's files are the one that the last full join wrote and, for each update since, one with what it changed. Of the rows of a
key the last one counts; where that one is marked as deleted (column `gone`), the cell has no row of the key any more.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pyarrow as pa

from udfs.arrow import ArrowMap, from_bytes, to_bytes
from udfs.neighbours.files import PIVOTS, ROWS, file_record
from uninote.lake.parquet_files import DamagedFileError, open_parquet, read_columns, write_file
from uninote.neighbours.by_rule.rules import Rows
from uninote.neighbours.kernel.assignments import Assignment
from uninote.vectors.last_rows import last_rows
from uninote.vectors.unit_length import check_unit

_GROUP_ROWS = 1 << 13  # of a row group: some rows can be read without the others


@dataclass(frozen=True)
class CellFiles:
    """The files of one cell: `rows`, the oldest first, and its `pivots`, null where its rows lie in no leaves."""

    rows: tuple[str, ...]
    pivots: str | None


@dataclass(frozen=True)
class Items:
    """Rows that are joined, and what their lists are made of: `keys` int64 (n,), `ids` their note_ids."""

    keys: np.ndarray
    ids: pa.Array
    rows: Rows

    def take(self, places: np.ndarray) -> Items:
        """Return some of them."""
        return Items(self.keys[places], self.ids.take(pa.array(places)), self.rows.take(places))


class StoredCell:
    """The rows of one cell as they are now: `keys` int64 (n,); everything else is read when it is asked for."""

    def __init__(self, files: CellFiles) -> None:
        """Read which rows there are. Raises DamagedFileError."""
        self._files = files
        # A cell may have no file yet, and nothing to concatenate.
        all_keys = [np.empty(0, np.int64)]
        all_deleted = [np.empty(0, bool)]
        for path in files.rows:
            table = read_columns(path, ["item_key", "gone"])
            all_keys.append(np.asarray(table["item_key"]))
            all_deleted.append(np.asarray(table["gone"]))
        keys = np.concatenate(all_keys)
        deleted = np.concatenate(all_deleted)
        last = last_rows(keys)
        self._places = np.sort(last[~deleted[last]])
        self.keys = keys[self._places]

    def read_ids(self, places: np.ndarray) -> pa.Array:
        """Return the note_ids of the rows at `places`, ascending."""
        return self._column("note_id").take(pa.array(self._places[places]))

    def read_attributes(self, places: np.ndarray, names: Sequence[str]) -> dict[str, np.ndarray]:
        """Return object arrays, null where None, of the rows at `places`."""
        taken = pa.array(self._places[places])
        attributes = {}
        for name in names:
            attributes[name] = np.array(self._column(name).take(taken).to_pylist(), dtype=object)
        return attributes

    def read_vectors(self, places: np.ndarray, into: np.ndarray) -> None:
        """Fill `into`, float32 (len(places), width), with the vectors of the rows at `places`, ascending.

        Raises DamagedFileError where one is not of unit length.
        """
        self._fill("vector", self._places[places], into)
        check_unit(into, ", ".join(self._files.rows))

    def read_assignments(self, places: np.ndarray) -> list[Assignment]:
        """Return the assignments of the last full join, with the leaves of the rows at `places`, ascending.

        Raises DamagedFileError where a leaf is none of its assignment.
        """
        if not self._fans:
            return []
        leaves = np.empty((len(places), self.num_leaves), np.int32)
        self._fill("leaves", self._places[places], leaves)
        stored = read_columns(str(self._files.pivots), ["width", "vectors"])
        found = []
        column = 0
        for fan, width, vectors in zip(self._fans, stored["width"].to_pylist(), stored["vectors"], strict=True):
            pivots = np.frombuffer(vectors.as_buffer(), np.float32).reshape(-1, width)
            found.append(Assignment(pivots, leaves[:, column : column + fan]))
            column += fan
        self._check_leaves(found)
        return found

    @property
    def num_leaves(self) -> int:
        """How many leaves each row lies in, of all assignments together."""
        return sum(self._fans)

    @cached_property
    def _fans(self) -> list[int]:
        path = self._files.pivots
        return [] if path is None else read_columns(path, ["fan"])["fan"].to_pylist()

    def _check_leaves(self, assignments: Sequence[Assignment]) -> None:
        # Compiled code follows leaves without checking bounds: a wrong one would read memory beyond the pivots.
        for one in assignments:
            if len(one.leaves) and not 0 <= one.leaves.min() <= one.leaves.max() < len(one.pivots):
                raise DamagedFileError(
                    f"{', '.join(self._files.rows)} names leaves that {self._files.pivots} does not have"
                )

    def _column(self, name: str) -> pa.Array:
        tables = [read_columns(path, [name]) for path in self._files.rows]
        return pa.concat_tables(tables)[name].combine_chunks()

    def _fill(self, name: str, places: np.ndarray, into: np.ndarray) -> None:
        """Fill `into` with a column of bytes, of the rows at `places`, ascending, among those of all files.

        Row groups without any of them are not read: an update often needs only some rows of a large cell.
        """
        start = 0
        for path in self._files.rows:
            with open_parquet(path) as file:
                for group in range(file.num_row_groups):
                    rows = file.metadata.row_group(group).num_rows
                    first, last = np.searchsorted(places, (start, start + rows))
                    if first < last:
                        column = file.read_row_group(group, [name], use_threads=False)[name].combine_chunks()
                        values = from_bytes(column, into.shape[1], into.dtype.type)
                        into[first:last] = values[places[first:last] - start] if last - first < rows else values
                    start += rows


@dataclass(frozen=True)
class CellFolders:
    """Where the rows of cells, and their pivots, are written."""

    rows: str
    pivots: str

    def write_rows(
        self, cell: int, update: int, items: Items, leaves: np.ndarray, deleted: np.ndarray
    ) -> pa.RecordBatch:
        """Write the rows of a cell, or what an `update` changed of them; number 0 stands for the full join.

        `leaves` is int32 (n, any), `deleted` bool (n,): the cell loses the rows of those keys. Returns a FILE_RECORD.
        """
        columns = {
            "item_key": pa.array(items.keys),
            "note_id": items.ids,
            "vector": _in_chunks(items.rows.vectors),
            "leaves": _in_chunks(leaves),
            "gone": pa.array(deleted),
        }
        for name, values in items.rows.attributes.items():
            columns[name] = pa.array(values, pa.string())
        written = write_file(pa.table(columns), f"{self.rows}/cell={cell}/night={update}", _GROUP_ROWS)
        return file_record(ROWS, written)

    def write_cell(
        self, cell: int, items: Items, primary: np.ndarray, assignments: Sequence[Assignment]
    ) -> Iterator[pa.RecordBatch]:
        """Write the rows of a full join whose `primary` cell this is, bool (n,), and the pivots of its assignments.

        Yields a FILE_RECORD for each file.
        """
        if not primary.any():
            return
        mine = items if primary.all() else items.take(np.flatnonzero(primary))
        leaves = [one.leaves[primary] for one in assignments] or [np.empty((len(mine.keys), 0), np.int32)]
        yield self.write_rows(cell, 0, mine, np.concatenate(leaves, axis=1), np.zeros(len(mine.keys), bool))
        if assignments:
            columns = {
                "vectors": pa.array([one.pivots.tobytes() for one in assignments], pa.binary()),
                "width": pa.array([one.pivots.shape[1] for one in assignments], pa.int64()),
                "fan": pa.array([one.leaves.shape[1] for one in assignments], pa.int64()),
            }
            yield file_record(PIVOTS, write_file(pa.table(columns), f"{self.pivots}/cell={cell}"))


def _in_chunks(matrix: np.ndarray) -> pa.ChunkedArray:
    """Return rows as bytes, in chunks: a single column of bytes holds less than 2 GiB."""
    starts = range(0, len(matrix), _GROUP_ROWS)
    return pa.chunked_array([to_bytes(matrix[start : start + _GROUP_ROWS]) for start in starts], pa.binary())


def make_pick_rows(
    cells: Callable[[], Mapping[int, CellFiles]], keys: Callable[[], np.ndarray], width: int
) -> ArrowMap:
    """Map the numbers of cells to (item_key, note_id, vector as bytes) of their rows with one of `keys`."""

    def run(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for number in cell_numbers(batches):
            cell = StoredCell(cells()[number])
            places = np.flatnonzero(np.isin(cell.keys, keys()))
            if len(places):
                vectors = np.empty((len(places), width), np.float32)
                cell.read_vectors(places, vectors)
                columns = [pa.array(cell.keys[places]), cell.read_ids(places), to_bytes(vectors)]
                yield pa.RecordBatch.from_arrays(columns, names=["item_key", "note_id", "vector"])

    return run


def cell_numbers(batches: Iterator[pa.RecordBatch]) -> Iterator[int]:
    """Yield the numbers of cells in the first column of some batches."""
    for batch in batches:
        yield from batch.column(0).to_pylist()
