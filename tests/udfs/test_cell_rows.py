"""The rows of a cell: of each key the last one that an update left, with the leaves it lies in."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from udfs.neighbours.cell_rows import CellFiles, CellFolders, Items, StoredCell, make_pick_rows
from uninote.lake.parquet_files import DamagedFileError
from uninote.neighbours.by_rule.rules import Rows
from uninote.neighbours.kernel.assignments import Assignment

WIDTH = 3


def items(keys, seed):
    vectors = np.random.default_rng(seed).standard_normal((len(keys), WIDTH)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    colours = np.array([f"c{key % 2}" if key % 3 else None for key in keys], dtype=object)
    return Items(np.array(keys), pa.array([f"n{key}" for key in keys]), Rows(vectors, {"colour": colours}))


def paths_of(records):
    return [path for batch in records for path in batch.column("path").to_pylist()]


def make_cell(folder):
    """Keys 0 to 9, of which 8 and 9 are replicas; an update that changes 2, adds 11, deletes 5; one that brings 5 back."""
    folders, base = CellFolders(f"{folder}/rows", f"{folder}/pivots"), items(range(10), 0)
    pivots = np.arange(11 * WIDTH, dtype=np.float32).reshape(11, WIDTH)
    assignments = [
        Assignment(pivots, np.stack([np.arange(10), np.arange(10) + 1], axis=1).astype(np.int32)),
        Assignment(pivots + 1, np.full((10, 1), 7, np.int32)),
    ]
    rows, pivot_file = paths_of(folders.write_cell(4, base, np.arange(10) < 8, assignments))
    first, second = items([2, 11, 5], 1), items([5], 2)
    updates = [
        folders.write_rows(4, 1, first, np.arange(9, dtype=np.int32).reshape(3, 3), np.array([False, False, True])),
        folders.write_rows(4, 2, second, np.full((1, 3), 9, np.int32), np.zeros(1, bool)),
    ]
    return CellFiles((rows, *paths_of(updates)), pivot_file), base, first, second, assignments


def test_of_each_key_the_last_row_counts(tmp_path):
    files, base, first, second, assignments = make_cell(tmp_path)
    cell = StoredCell(files)
    assert cell.keys.tolist() == [0, 1, 3, 4, 6, 7, 2, 11, 5]
    expected = np.concatenate([base.rows.vectors[[0, 1, 3, 4, 6, 7]], first.rows.vectors[:2], second.rows.vectors])
    for places in (np.arange(9), np.array([1, 6, 8]), np.empty(0, np.int64)):
        vectors = np.empty((len(places), WIDTH), np.float32)
        cell.read_vectors(places, vectors)
        np.testing.assert_array_equal(vectors, expected[places])
        assert cell.read_ids(places).to_pylist() == [f"n{key}" for key in cell.keys[places]]
        assert cell.read_attributes(places, ["colour"])["colour"].tolist() == [
            f"c{key % 2}" if key % 3 else None for key in cell.keys[places]
        ]
    found = cell.read_assignments(np.array([0, 5, 6, 7, 8]))
    assert [one.pivots.tolist() for one in found] == [one.pivots.tolist() for one in assignments]
    assert found[0].leaves.tolist() == [[0, 1], [7, 8], [0, 1], [3, 4], [9, 9]]
    assert found[1].leaves.tolist() == [[7], [7], [2], [5], [9]]


def test_rows_are_picked_by_key(tmp_path):
    cells = {4: make_cell(tmp_path)[0]}
    pick = make_pick_rows(lambda: cells, lambda: np.array([3, 5, 99]), WIDTH)
    [found] = pick(iter([pa.RecordBatch.from_arrays([pa.array([4])], names=["cell"])]))
    assert found.column("item_key").to_pylist() == [3, 5]
    assert found.column("note_id").to_pylist() == ["n3", "n5"]


def test_leaves_that_lead_nowhere_and_vectors_of_another_length_are_damage(tmp_path):
    base = items(range(3), 0)
    folders = CellFolders(f"{tmp_path}/rows", f"{tmp_path}/pivots")
    astray = [Assignment(np.zeros((2, WIDTH), np.float32), np.full((3, 1), 2, np.int32))]
    rows, pivot_file = paths_of(folders.write_cell(0, base, np.ones(3, bool), astray))
    with pytest.raises(DamagedFileError, match="names leaves that"):
        StoredCell(CellFiles((rows,), pivot_file)).read_assignments(np.arange(3))
    base.rows.vectors[1] *= 2
    [rows] = paths_of(folders.write_cell(0, base, np.ones(3, bool), []))
    with pytest.raises(DamagedFileError, match="1 of 3 vectors that are not of unit length"):
        StoredCell(CellFiles((rows,), None)).read_vectors(np.arange(3), np.empty((3, WIDTH), np.float32))
    flip(rows, "item_key")
    with pytest.raises(DamagedFileError, match="is not as it was written"):
        StoredCell(CellFiles((rows,), None))


def flip(path, column):
    """Flip one bit of a column's page."""
    group = pq.ParquetFile(path).metadata.row_group(0)
    [chunk] = [group.column(n) for n in range(group.num_columns) if group.column(n).path_in_schema == column]
    content = bytearray(Path(path).read_bytes())
    content[chunk.data_page_offset + chunk.total_compressed_size - 1] ^= 1
    Path(path).write_bytes(content)


def test_a_cell_without_leaves_has_no_assignments(tmp_path):
    folders = CellFolders(f"{tmp_path}/rows", f"{tmp_path}/pivots")
    assert list(folders.write_cell(0, items(range(3), 0), np.zeros(3, bool), [])) == []
    [rows] = paths_of(folders.write_cell(0, items(range(3), 0), np.ones(3, bool), []))
    cell = StoredCell(CellFiles((rows,), None))
    assert cell.num_leaves == 0
    assert cell.read_assignments(np.arange(3)) == []
