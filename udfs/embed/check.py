"""Whether stored vectors can be read and are what was stored: file by file, by key."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from udfs.arrow import ArrowMap, numbers_in, to_matrix
from uninote.lake.parquet_files import DamagedFileError, open_parquet
from uninote.vectors.unit_length import are_unit

FOUND = ("path", "damage", "keys")  # keys int64, as bytes
_ROWS = 1 << 14


def make_vector_check(paths: Sequence[str], width: int) -> ArrowMap:
    """Map the numbers of files to FOUND, a row for each: why it cannot be read, null if it can; or the keys of bad vectors.

    `width` is that of all their vectors.
    """

    def run(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for number in numbers_in(batches):
            damage = None
            keys = np.empty(0, np.int64)
            try:
                keys = _bad_keys(paths[number], width)
            except DamagedFileError as error:
                damage = str(error)
            path = pa.array([paths[number]], pa.string())
            found = [path, pa.array([damage], pa.string()), pa.array([keys.tobytes()], pa.binary())]
            yield pa.RecordBatch.from_arrays(found, names=[*FOUND])

    return run


def _bad_keys(path: str, width: int) -> np.ndarray:
    """Return int64, the keys of vectors of another width or not of unit length. Raises DamagedFileError."""
    bad = [np.empty(0, np.int64)]
    with open_parquet(path) as file:
        # All columns, since a page of any that is not as it was written fails whoever reads or rewrites the file.
        for batch in file.iter_batches(_ROWS, use_threads=False):
            keys = batch.column("item_key").to_numpy()
            bad.append(keys[~_are_sound(batch.column("vector"), width)])
    return np.concatenate(bad)


def _are_sound(vectors: pa.ListArray, width: int) -> np.ndarray:
    """Return bool (rows,): which are of this width, without nulls, and of unit length."""
    has_width = pc.equal(pc.fill_null(pc.list_value_length(vectors), -1), width)
    sound: np.ndarray = has_width.to_numpy(zero_copy_only=False).copy()
    # A null among the numbers becomes NaN, which is of no length.
    sound[sound] = are_unit(to_matrix(vectors.filter(has_width), width))
    return sound
