"""One cell joined and then updated as executors do it, without Spark: lists and rows are those of a new join."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from udfs.arrow import to_bytes
from udfs.neighbours.cell_rows import CellFiles, CellFolders, StoredCell
from udfs.neighbours.files import ListFolders, write_lists, write_partial
from udfs.neighbours.full_join import JoinTask, make_cell_join
from udfs.neighbours.lists import make_list_limits, merge_lists
from udfs.neighbours.update import CellStore, ListsBefore, make_update_join
from uninote.neighbours.background import Background
from uninote.neighbours.by_rule.rules import Rule
from uninote.neighbours.kernel.settings import Search

K, DEPTH, WIDTH, ROWS = 4, 6, 8, 120
RULES = {"neighbours": Rule(), "other_author": Rule(different=("author",))}
BACKGROUND = Background.of(np.empty(0, np.int64), np.empty((0, WIDTH), np.float32))
TASK = JoinTask(RULES, Search(K, DEPTH, 0.98, seed=0), WIDTH, BACKGROUND)


def unit(rows, seed):
    vectors = np.random.default_rng(seed).standard_normal((rows, WIDTH)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def rows_of(vectors, keys):
    """Rows on their way to cell 0, which is their primary one; note n has the author "a<n % 3>"."""
    return pa.RecordBatch.from_pydict(
        {
            "item_key": pa.array(keys, pa.int64()),
            "note_id": pa.array([f"n{key:04d}" for key in keys], pa.string()),
            "vector": to_bytes(np.array([vectors[key] for key in keys], np.float32).reshape(-1, WIDTH)),
            "author": pa.array([f"a{key % 3}" for key in keys], pa.string()),
            "cell": pa.array([0] * len(keys), pa.int32()),
            "primary": pa.array([True] * len(keys), pa.bool_()),
        }
    )


def only_the_cell():
    """A row that names cell 0 and nothing else."""
    row = rows_of({}, [])
    columns = [pa.nulls(1, field.type) for field in row.schema]
    return pa.RecordBatch.from_arrays([*columns[:-2], pa.array([0], pa.int32()), pa.array([False])], schema=row.schema)


@pytest.fixture
def cell(tmp_path):
    """A cell of ROWS rows that were joined: its vectors by key, folders, files and lists."""
    vectors = dict(enumerate(unit(ROWS, 0)))
    folders = CellFolders(f"{tmp_path}/rows", f"{tmp_path}/pivots")
    lists = {name: ListFolders(f"{tmp_path}/{name}", None, None, DEPTH, K, 1.0, BACKGROUND.keys) for name in TASK.rules}
    join = make_cell_join(TASK, lambda name, found: write_lists(found, lists[name]), folders.write_cell, lambda _: None)
    rows = rows_of(vectors, [*range(50, ROWS), *range(50)])
    written = [row for batch in join(iter([rows])) for row in batch.to_pylist()]
    paths = {(row["table"], row["kind"]): row["path"] for row in written}
    stored = {name: pq.read_table(paths[name, "state"]).to_batches() for name in TASK.rules}
    files = CellFiles((paths["", "rows"],), None)
    return SimpleNamespace(path=tmp_path, vectors=vectors, folders=folders, files=files, lists=stored)


def update(cell, changed, deleted):
    """Update the cell as the stage does, and return the lists by table."""
    differs = np.array(sorted([*changed, *deleted]), np.int64)
    for key in deleted:
        del cell.vectors[key]
    cell.vectors |= changed
    limits, short = {}, set()
    for name, lists in cell.lists.items():
        [found] = make_list_limits(lambda: differs, K)(iter(lists))
        keys = np.frombuffer(found.column("item_key")[0].as_py(), np.int64)
        limits[name] = np.full(keys.max() + 1, -np.inf, np.float32)
        limits[name][keys] = np.frombuffer(found.column("limit")[0].as_py(), np.float32)
        short |= set(keys[np.frombuffer(found.column("short")[0].as_py(), np.bool_)].tolist())
    sent = sorted({*changed, *short})
    rows = [only_the_cell(), *([rows_of(cell.vectors, sent)] if sent else [])]
    store = CellStore(1, {0: cell.files}, cell.folders, pa.string())
    join = make_update_join(
        TASK,
        lambda: ListsBefore(differs, limits),
        lambda: store,
        lambda name, lists: write_partial(lists, f"{cell.path}/partial/{name}"),
        lambda _: None,
    )
    written = [row for batch in join(iter(rows)) for row in batch.to_pylist()]
    cell.files = CellFiles((*cell.files.rows, *(row["path"] for row in written if row["kind"] == "rows")), None)
    merged = {}
    for name, lists in cell.lists.items():
        paths = [row["path"] for row in written if row["table"] == name]
        partial = [batch for path in paths for batch in pq.read_table(path).to_batches()]
        merged[name] = merge_lists(lists, partial, differs, DEPTH)
    return merged


def check(cell, lists):
    """Compare the first K of every list with brute force, and the cell's rows with what is there."""
    keys = np.array(sorted(cell.vectors))
    vectors = np.array([cell.vectors[key] for key in keys.tolist()])
    for name, merged in lists.items():
        scores = vectors @ vectors.T
        np.fill_diagonal(scores, -np.inf)
        if name == "other_author":
            scores[keys[:, None] % 3 == keys[None] % 3] = -np.inf
        assert merged.column("item_key").to_pylist() == keys.tolist()
        for row, best in zip(merged.to_pylist(), np.argsort(-scores, axis=1)[:, :K], strict=True):
            assert np.frombuffer(row["neighbour_keys"], np.int64)[:K].tolist() == keys[best].tolist()
    stored = StoredCell(cell.files)
    order = np.argsort(stored.keys)
    found = np.empty((len(keys), WIDTH), np.float32)
    stored.read_vectors(np.arange(len(keys)), found)
    assert stored.keys[order].tolist() == keys.tolist()
    np.testing.assert_array_equal(found[order], vectors)


def test_a_cell_is_joined(cell):
    check(cell, {name: merge_lists(lists, [], np.empty(0, np.int64), DEPTH) for name, lists in cell.lists.items()})


@pytest.mark.parametrize(
    ("changed", "deleted"),
    [
        ({3: unit(1, 1)[0], 500: unit(1, 2)[0]}, [7]),
        (dict(zip(range(30, 50), unit(20, 3), strict=True)), range(60, 90)),  # many lists become too short
        ({}, [5, 6]),
    ],
)
def test_an_update_leaves_what_a_new_join_would(cell, changed, deleted):
    check(cell, update(cell, changed, deleted))


def test_a_cell_that_nothing_changed_in_gets_no_file(cell):
    before = cell.files
    check(cell, update(cell, {}, []))
    assert cell.files == before
