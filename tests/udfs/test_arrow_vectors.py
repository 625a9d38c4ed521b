"""Vectors through Arrow and back."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from udfs.arrow import read_rows, to_array, to_matrix
from udfs.embed.widths import make_truncate
from udfs.neighbours import cells
from udfs.table_files import gathered
from uninote.vectors.widths import truncate


@pytest.mark.parametrize("shape", [(0, 4), (1, 1), (5, 3)])
def test_a_matrix_survives_the_round_trip(shape):
    matrix = np.arange(np.prod(shape), dtype=np.float32).reshape(shape)
    column = to_array(matrix)
    assert len(column) == shape[0]
    assert to_matrix(column).tolist() == matrix.tolist()


def test_a_slice_of_a_column_keeps_its_own_rows():
    matrix = np.arange(12, dtype=np.float32).reshape(6, 2)
    assert to_matrix(to_array(matrix).slice(2, 3)).tolist() == matrix[2:5].tolist()


@pytest.mark.parametrize("first", [True, False])
def test_files_that_differ_in_what_may_be_null_are_put_together(first):
    batches = []
    for nullable in (first, not first):
        element = pa.field("element", pa.float32(), nullable=nullable)
        schema = pa.schema([("item_key", pa.int64()), ("vector", pa.list_(element))])
        batches.append(pa.RecordBatch.from_pydict({"item_key": [1, 2], "vector": [[0.5, 0.25], [1.0, 0.0]]}, schema))
    (together,) = gathered(iter(batches))
    assert together.to_pydict() == {"item_key": [1, 2] * 2, "vector": [[0.5, 0.25], [1.0, 0.0]] * 2}
    assert [batch.schema for batch in gathered(iter(batches), rows=1)] == [batches[0].schema] * 2


def test_rows_of_several_batches_are_put_together():
    batches = [
        pa.RecordBatch.from_arrays(
            [pa.array([n, n + 1]), to_array(np.full((2, 3), n, np.float32))], ["item_key", "vector"]
        )
        for n in (0, 10)
    ]
    keys, vectors = read_rows(batches)
    assert keys.tolist() == [0, 1, 10, 11]
    assert vectors[:, 0].tolist() == [0, 0, 10, 10]
    assert read_rows([])[0].shape == (0,)


def test_wide_vectors_are_passed_on_as_bytes_in_parts_in_their_order(monkeypatch):
    monkeypatch.setattr(cells, "_PART_BYTES", 3 * 4 * 2)  # three rows of two
    matrix = np.arange(16, dtype=np.float32).reshape(8, 2)
    keys = np.arange(8)
    whole = pa.RecordBatch.from_arrays([pa.array(keys), to_array(matrix)], ["item_key", "vector"])
    parts = list(cells.vectors_as_bytes(iter([whole.slice(1), whole.slice(0, 0)])))
    assert [len(part) for part in parts] == [3, 3, 1]
    assert all(pa.types.is_binary(part.schema.field("vector").type) for part in parts)
    for found, expected in zip(read_rows(parts), (keys[1:], matrix[1:]), strict=True):
        np.testing.assert_array_equal(found, expected)
    assert list(cells.vectors_as_bytes(iter(parts))) == parts


def test_truncating_a_batch_leaves_the_other_columns_alone():
    vectors = np.random.default_rng(0).normal(size=(4, 8)).astype(np.float32)
    batch = pa.RecordBatch.from_arrays([pa.array(list("abcd")), to_array(vectors)], ["item_id", "vector"])
    (narrow,) = make_truncate(2)(iter([batch]))
    assert narrow.column("item_id").to_pylist() == list("abcd")
    np.testing.assert_allclose(to_matrix(narrow.column("vector")), truncate(vectors, 2))
