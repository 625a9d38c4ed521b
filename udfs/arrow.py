"""What a task maps, and vectors between Arrow and numpy without a Python object per row."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

import numpy as np
import pyarrow as pa

ArrowMap = Callable[[Iterator[pa.RecordBatch]], Iterator[pa.RecordBatch]]
"""What `DataFrame.mapInArrow` runs in a task: the batches of its partition, mapped one after the other to new ones."""


def counting(mapped: ArrowMap, count: Callable[[int], None]) -> ArrowMap:
    """Return what maps alike, and calls `count` with the rows of each batch once it is made."""

    def run(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in mapped(batches):
            count(batch.num_rows)
            yield batch

    return run


def over_parts(parts: Sequence[bytes], mapped: ArrowMap) -> ArrowMap:
    """Map (id), the numbers of `parts`, to what `mapped` makes of their rows: of few rows that go along with the function."""

    def run(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for number in numbers_in(batches):
            with pa.ipc.open_stream(parts[number]) as stream:
                yield from mapped(iter(stream))

    return run


def to_batch(columns: Mapping[str, pa.Array], schema: pa.Schema) -> pa.RecordBatch:
    """Return the columns that `schema` names, in its order and of its types; `columns` may have others beside."""
    arrays = []
    for field in schema:
        arrays.append(columns[field.name].cast(field.type))
    return pa.RecordBatch.from_arrays(arrays, schema=schema)


def numbers_in(batches: Iterable[pa.RecordBatch]) -> Iterator[int]:
    """Yield the numbers in the first column: a task gets those of files, and reads the files itself."""
    for batch in batches:
        yield from batch.column(0).to_pylist()


def to_matrix(column: pa.ListArray, width: int = 0) -> np.ndarray:
    """Return a list<float> column without nulls, all rows of one length, as float32 (rows, width).

    `width` is what a column of no rows has: such a column cannot tell.
    """
    flat = column.flatten().to_numpy(zero_copy_only=False)
    return flat.reshape(len(column), -1) if len(column) else np.empty((0, width), np.float32)


def read_rows(batches: Iterable[pa.RecordBatch]) -> tuple[np.ndarray, np.ndarray]:
    """Return all (item_key, vector) rows of some batches: int64 (rows,) and float32 (rows, width), in their order.

    Vectors are lists, or bytes of float32.
    """
    keys = []
    vectors = []
    for batch in batches:
        if len(batch):
            keys.append(batch.column("item_key").to_numpy())
            vectors.append(as_matrix(batch.column("vector")))
    if not keys:
        return np.empty(0, np.int64), np.empty((0, 0), np.float32)
    return np.concatenate(keys), np.concatenate(vectors)


def to_array(matrix: np.ndarray) -> pa.ListArray:
    """Return the rows of a two-dimensional array as a list column of its dtype."""
    rows, width = matrix.shape
    # Arrow has a list column as one flat array and where each row begins: no row is touched.
    offsets = np.arange(0, (rows + 1) * width, width, dtype=np.int32) if width else np.zeros(rows + 1, np.int32)
    return pa.ListArray.from_arrays(pa.array(offsets), pa.array(matrix.reshape(-1)))


def pack(flat: np.ndarray, starts: np.ndarray) -> pa.BinaryArray:
    """Return flat[starts[i] : starts[i + 1]] as bytes, a row each, less than 2 GiB in all: copied whole, not by element."""
    offsets = (starts * flat.itemsize).astype(np.int32)
    buffers = [None, pa.py_buffer(offsets), pa.py_buffer(np.ascontiguousarray(flat))]
    return pa.BinaryArray.from_buffers(pa.binary(), len(starts) - 1, buffers)


def unpack(column: pa.BinaryArray, kind: type) -> tuple[np.ndarray, np.ndarray]:
    """Return (flat of the dtype `kind`, starts int64 (n + 1,)) of such a column without nulls."""
    offsets = np.frombuffer(column.buffers()[1] or bytes(4), np.int32)[column.offset : column.offset + len(column) + 1]
    size = np.dtype(kind).itemsize
    # A view of the bytes that Arrow holds; a sliced column begins somewhere within its buffers.
    flat: np.ndarray = np.frombuffer(
        column.buffers()[2] or b"", kind, (offsets[-1] - offsets[0]) // size, int(offsets[0])
    )
    return flat, (offsets.astype(np.int64) - offsets[0]) // size


def to_bytes(matrix: np.ndarray) -> pa.BinaryArray:
    """Return the rows of a two-dimensional array as a column of bytes, less than 2 GiB in all."""
    return pack(matrix.reshape(-1), np.arange(len(matrix) + 1) * matrix.shape[1])


def from_bytes(column: pa.BinaryArray, width: int, kind: type = np.float32) -> np.ndarray:
    """Return such a column, without nulls, as (rows, width) of the dtype `kind`."""
    return unpack(column, kind)[0].reshape(-1, width)


def as_matrix(column: pa.ListArray | pa.BinaryArray, width: int = 0) -> np.ndarray:
    """Return vectors without nulls, lists or bytes of float32, as float32 (rows, width).

    `width` is what a column of no rows has: such a column cannot tell.
    """
    if not pa.types.is_binary(column.type):
        return to_matrix(column, width)
    flat, _ = unpack(column, np.float32)
    return flat.reshape(len(column), -1) if len(column) else np.empty((0, width), np.float32)


def to_nullable(rows: Sequence[np.ndarray | None]) -> pa.ListArray:
    """Return float32 rows of one length as a list column, null where a row is None."""
    present = np.zeros(len(rows), dtype=bool)
    flat = []
    for place, row in enumerate(rows):
        if row is not None:
            present[place] = True
            flat.append(row)
    values = np.concatenate(flat) if flat else np.empty(0, np.float32)
    width = len(flat[0]) if flat else 0
    # A null has no values: it begins and ends where the row before it ends.
    offsets = np.concatenate([[0], np.cumsum(present * width)]).astype(np.int32)
    return pa.ListArray.from_arrays(pa.array(offsets), pa.array(values, pa.float32()), mask=pa.array(~present))
