"""Reading a table's files in batches that a worker can hold."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from udfs.arrow import to_array
from udfs.table_files import as_read, make_reader, over_files
from uninote.lake.parquet_files import write_file


def rows_of(count, width):
    keys = np.arange(count, dtype=np.int64)
    vectors = np.random.default_rng(0).standard_normal((count, width), dtype=np.float32)
    return pa.table({"item_key": pa.array(keys), "vector": to_array(vectors)})


def read_all(table, folder, keys=None, group_rows=1 << 20):
    path = write_file(table, str(folder), group_rows).path
    columns = ["item_key", "vector"]
    read = make_reader(columns, None if keys is None else lambda: keys)
    numbers = pa.RecordBatch.from_pydict({"file": pa.array([0], pa.int32())})
    return list(over_files(as_read, read, [path if path.startswith("/") else f"{folder}/{path}"])(iter([numbers])))


@pytest.mark.parametrize(("count", "width"), [(40_000, 4), (9_000, 2048)])
def test_a_group_of_rows_comes_in_batches_that_are_bounded_by_rows_and_bytes(tmp_path, count, width):
    table = rows_of(count, width)
    batches = read_all(table, tmp_path)
    assert pa.Table.from_batches(batches).equals(table.cast(batches[0].schema))
    assert len(batches) >= 2
    for batch in batches:
        assert len(batch) <= 16_384
        assert batch.nbytes < 64 << 20


@pytest.mark.parametrize("group_rows", [1 << 20, 7_000])
def test_the_rows_of_some_keys_come_from_all_batches_of_all_groups(tmp_path, group_rows):
    table = rows_of(50_000, 4)
    keys = np.array([0, 16_383, 16_384, 20_999, 21_000, 49_999, 60_000])
    batches = read_all(table, tmp_path, keys, group_rows)
    found = pa.Table.from_batches(batches)
    assert found.equals(table.take(pa.array(keys[:-1])).cast(found.schema))
