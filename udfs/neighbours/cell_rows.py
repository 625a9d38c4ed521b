"""The rows of each cell as nights want them: vectors side by side, the leaves they lie in, less what went since.

A cell's files are those that the last full join wrote and, for each night since, what changed: of a key's rows the last one
counts, and one that is `gone` says that there is none any more.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pyarrow as pa

from udfs.arrow import from_bytes, to_bytes
from udfs.neighbours.files import LEADERS, ROWS, told
from udfs.notes.fingerprints import ArrowMap
from uninote.lake.parquet_files import DamagedFileError, open_parquet, read_columns, write_file
from uninote.neighbours.kernel.assignments import Assignment
from uninote.neighbours.rules import Rows
from uninote.vectors.unit_length import check_unit

_GROUP_ROWS = 1 << 13  # a few rows are read without the others


@dataclass(frozen=True)
class CellFiles:
    """The files of one cell: `rows`, the oldest first, and its `leaders`, null where it had no leaves."""

    rows: tuple[str, ...]
    leaders: str | None


@dataclass(frozen=True)
class Items:
    """Rows that meet, and what their lists are made of: `keys` int64 (n,), `ids` their note_ids."""

    keys: np.ndarray
    ids: pa.Array
    rows: Rows

    def take(self, places: np.ndarray) -> Items:
        """Return some of them."""
        return Items(self.keys[places], self.ids.take(pa.array(places)), self.rows.take(places))


class KeptCell:
    """The rows of one cell as they are now: `keys` int64 (n,); the rest is read when it is wanted."""

    def __init__(self, files: CellFiles) -> None:
        """Read which rows there are."""
        self._files = files
        tables = [read_columns(path, ["item_key", "gone"]) for path in files.rows]
        keys = np.concatenate([np.empty(0, np.int64), *(np.asarray(one["item_key"]) for one in tables)])
        gone = np.concatenate([np.empty(0, bool), *(np.asarray(one["gone"]) for one in tables)])
        order = np.argsort(keys, kind="stable")  # runs that are sorted already: cheap
        last = order[np.append(keys[order][1:] != keys[order][:-1], True)[: len(order)]]
        self._places = np.sort(last[~gone[last]])
        self.keys = keys[self._places]

    def read_ids(self, places: np.ndarray) -> pa.Array:
        """Return the note_ids of the rows at `places`, ascending."""
        return self._column("note_id").take(pa.array(self._places[places]))

    def read_attributes(self, places: np.ndarray, names: Sequence[str]) -> dict[str, np.ndarray]:
        """Return object arrays, null where None, of the rows at `places`."""
        taken = pa.array(self._places[places])
        return {name: np.array(self._column(name).take(taken).to_pylist(), dtype=object) for name in names}

    def read_vectors(self, places: np.ndarray, into: np.ndarray) -> None:
        """Fill `into`, float32 (len(places), width), with the vectors of the rows at `places`, ascending."""
        self._fill("vector", self._places[places], into)
        check_unit(into, ", ".join(self._files.rows))

    def read_assignments(self, places: np.ndarray) -> list[Assignment]:
        """Return the partitions of the last full join, with the leaves of the rows at `places`, ascending."""
        fans, leaves = self._fans, np.empty((len(places), self.num_leaves), np.int32)
        if not fans:
            return []
        self._fill("leaves", self._places[places], leaves)
        stored = read_columns(str(self._files.leaders), ["width", "vectors"])
        leaders = (np.frombuffer(one.as_buffer(), np.float32) for one in stored["vectors"])
        matrices = (flat.reshape(-1, width) for flat, width in zip(leaders, stored["width"].to_pylist(), strict=True))
        parts = np.split(leaves, np.cumsum(fans)[:-1], axis=1)
        found = [Assignment(matrix, part) for matrix, part in zip(matrices, parts, strict=True)]
        # Compiled code follows leaves without looking: one that leads nowhere would be a read beyond the leaders.
        if any(len(one.leaves) and not 0 <= one.leaves.min() <= one.leaves.max() < len(one.pivots) for one in found):
            raise DamagedFileError(
                f"{', '.join(self._files.rows)} names leaves that {self._files.leaders} does not have"
            )
        return found

    @cached_property
    def _fans(self) -> list[int]:
        path = self._files.leaders
        return [] if path is None else read_columns(path, ["fan"])["fan"].to_pylist()

    @property
    def num_leaves(self) -> int:
        """How many leaves each row lies in, of all partitions together."""
        return sum(self._fans)

    def _column(self, name: str) -> pa.Array:
        tables = [read_columns(path, [name]) for path in self._files.rows]
        return pa.concat_tables(tables)[name].combine_chunks()

    def _fill(self, name: str, places: np.ndarray, into: np.ndarray) -> None:
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
class KeptFolders:
    """Where the rows of cells, and their leaders, are written."""

    rows: str
    leaders: str

    def write_rows(self, cell: int, night: int, items: Items, leaves: np.ndarray, gone: np.ndarray) -> pa.RecordBatch:
        """Write the rows of a cell, or what a night changed of them; `leaves` is int32 (n, any), `gone` bool (n,).

        Returns WRITTEN of the file.
        """
        columns = {
            "item_key": pa.array(items.keys),
            "note_id": items.ids,
            "vector": _in_chunks(items.rows.vectors),
            "leaves": _in_chunks(leaves),
            "gone": pa.array(gone),
        }
        columns |= {name: pa.array(values, pa.string()) for name, values in items.rows.attributes.items()}
        return told(ROWS, write_file(pa.table(columns), f"{self.rows}/cell={cell}/night={night}", _GROUP_ROWS))

    def keep(
        self, cell: int, items: Items, home: np.ndarray, partitions: Sequence[Assignment]
    ) -> Iterator[pa.RecordBatch]:
        """Write the rows of a full join that are at home in a cell, and the leaders of its partitions. Tells WRITTEN."""
        if not home.any():
            return
        mine = items if home.all() else items.take(np.flatnonzero(home))
        leaves = [part.leaves[home] for part in partitions] or [np.empty((len(mine.keys), 0), np.int32)]
        yield self.write_rows(cell, 0, mine, np.concatenate(leaves, axis=1), np.zeros(len(mine.keys), bool))
        if partitions:
            columns = {
                "vectors": pa.array([part.pivots.tobytes() for part in partitions], pa.binary()),
                "width": pa.array([part.pivots.shape[1] for part in partitions], pa.int64()),
                "fan": pa.array([part.leaves.shape[1] for part in partitions], pa.int64()),
            }
            yield told(LEADERS, write_file(pa.table(columns), f"{self.leaders}/cell={cell}"))


def _in_chunks(matrix: np.ndarray) -> pa.ChunkedArray:
    """Return rows as bytes, in chunks that a column of bytes can hold."""
    starts = range(0, len(matrix), _GROUP_ROWS)
    return pa.chunked_array([to_bytes(matrix[start : start + _GROUP_ROWS]) for start in starts], pa.binary())


def make_kept_pick(
    cells: Callable[[], Mapping[int, CellFiles]], keys: Callable[[], np.ndarray], width: int
) -> ArrowMap:
    """Map the numbers of cells to (item_key, note_id, vector as bytes) of their rows with one of `keys`."""

    def run(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for number in (number for batch in batches for number in batch.column(0).to_pylist()):
            cell = KeptCell(cells()[number])
            mine = np.flatnonzero(np.isin(cell.keys, keys()))
            if len(mine):
                vectors = np.empty((len(mine), width), np.float32)
                cell.read_vectors(mine, vectors)
                columns = [pa.array(cell.keys[mine]), cell.read_ids(mine), to_bytes(vectors)]
                yield pa.RecordBatch.from_arrays(columns, names=["item_key", "note_id", "vector"])

    return run
