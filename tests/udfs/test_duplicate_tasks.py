"""Groups of duplicates after some updates are those of a join of all notes: executors' code, without Spark."""

from __future__ import annotations

import tempfile

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from hypothesis import given, settings
from hypothesis import strategies as st

from udfs.arrow import to_bytes
from udfs.neighbours import duplicates
from udfs.neighbours.cell_rows import CellFiles, CellFolders
from udfs.neighbours.files import PAIR_COLUMNS, ListFolders, make_rewrite, write_lists, write_partial
from udfs.neighbours.full_join import JoinTask, make_cell_join
from udfs.neighbours.limits import StoredLimits, make_limit_files
from udfs.neighbours.lists import LISTS
from udfs.neighbours.update import CellStore, make_update_join
from udfs.table_files import as_read, make_reader
from uninote.neighbours.background import Background
from uninote.neighbours.by_rule.rules import Rule
from uninote.neighbours.kernel.settings import Search

K, DEPTH, WIDTH, SCORE = 4, 6, 8, 0.995
BACKGROUND = Background.of(np.empty(0, np.int64), np.empty((0, WIDTH), np.float32))
TASK = JoinTask({"neighbours": Rule()}, Search(K, DEPTH, 0.98, seed=0), WIDTH, BACKGROUND)


class OneCell:
    """A lake of one cell: vectors by key, the files of its rows and lists, and the pairs of its lists."""

    def __init__(self, folder, vectors):
        self.folder, self.vectors, self.updates = folder, dict(vectors), 0
        self.cells = CellFolders(f"{folder}/rows", f"{folder}/pivots")
        self.lists = ListFolders(f"{folder}/state", None, f"{folder}/pairs", DEPTH, K, SCORE, BACKGROUND.keys)
        join = make_cell_join(TASK, lambda _, lists: write_lists(lists, self.lists), self.cells.write_cell, len_of)
        self._take(join(iter([self.rows_of(sorted(vectors))])))

    def _take(self, batches, rows_before=()):
        written = [row for batch in batches for row in batch.to_pylist()]
        self.rows = (*rows_before, *(row["path"] for row in written if row["kind"] == "rows"))
        self.state = next((row["path"] for row in written if row["kind"] == "state"), None)
        self.pairs = [row["path"] for row in written if row["kind"] == "pairs"]
        return written

    def rows_of(self, keys):
        return pa.RecordBatch.from_pydict(
            {
                "item_key": pa.array(keys, pa.int64()),
                "note_id": pa.array([f"n{key:04d}" for key in keys], pa.string()),
                "vector": to_bytes(np.array([self.vectors[key] for key in keys], np.float32).reshape(-1, WIDTH)),
                "cell": pa.array([0] * len(keys), pa.int32()),
                "primary": pa.array([True] * len(keys), pa.bool_()),
            }
        )

    def update(self, changed, deleted):
        """Do as an update of the stage does: join what changed, and write the lists again."""
        differs = np.array(sorted({*changed, *deleted}), np.int64)
        for key in deleted:
            del self.vectors[key]
        self.vectors |= changed
        stored = pq.read_table(self.state).to_batches()
        task = make_limit_files(lambda: differs, K, f"{self.folder}/limits")
        written = records(task, stored)
        short = set(np.frombuffer(b"".join(row["short"] for row in written), np.int64).tolist())
        before = StoredLimits(differs, {"neighbours": tuple(row["path"] for row in written)})
        self.updates += 1
        store = CellStore(self.updates, {0: CellFiles(self.rows, None)}, self.cells, pa.string())
        partial = f"{self.folder}/partial-{self.updates}"
        sink = lambda _, lists: write_partial(lists, partial)  # noqa: E731
        join = make_update_join(TASK, before.read, lambda: store, sink, len_of)
        written = [row for batch in join(iter([self.rows_of(sorted({*changed, *short}))])) for row in batch.to_pylist()]
        rows = (*self.rows, *(row["path"] for row in written if row["kind"] == "rows"))
        found = [pq.read_table(row["path"]).to_batches() for row in written if row["kind"] == "partial"]
        parts = [stream_of(batches) for batches in found]
        lists = pa.RecordBatch.from_pydict(
            {"part": pa.array([0] * (1 + len(parts)), pa.int32()), "lists": pa.array([None, *parts], pa.binary())}
        )
        rewrite = make_rewrite(self.lists, make_reader(LISTS), [self.state], lambda: differs)
        self._take(rewrite(iter([lists])))
        self.rows = rows

    def groups(self):
        """{note_id: (group_id, chain_id)}."""
        folders = duplicates.GroupFolders(f"{self.folder}/members", f"{self.folder}/scratch")
        batches = [batch for path in self.pairs for batch in make_reader(PAIR_COLUMNS)(path)]
        written = records(duplicates.make_groups(folders), batches)
        written += records(duplicates.make_compared(folders, WIDTH, SCORE), self.open_rows(written))
        return members(written)

    def open_rows(self, written):
        """The rows of OPEN chains by chain and note_id, as tasks get them."""
        paths = [row["path"] for row in written if row["kind"] == duplicates.OPEN]
        if not paths:
            return []
        keys, _ = duplicates.read_keyed(tuple(paths), "chain")
        (rows,) = duplicates.make_with_chain(paths, as_read)(iter([self.rows_of(keys.tolist())]))
        ordered = pa.Table.from_batches([rows]).sort_by([("chain", "ascending"), ("note_id", "ascending")])
        return ordered.to_batches(max_chunksize=7)


def records(run, batches):
    return [row for batch in run(iter(batches)) for row in batch.to_pylist()]


def members(written):
    """{note_id: (group_id, chain_id)} of the files of duplicates.MEMBERS."""
    tables = [pq.read_table(row["path"]) for row in written if row["kind"] == duplicates.MEMBERS]
    return {row["note_id"]: (row["group_id"], row["chain_id"]) for table in tables for row in table.to_pylist()}


def len_of(count):
    """What a task says of its progress, which nobody reads here."""


def stream_of(batches):
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, batches[0].schema) as stream:
        for batch in batches:
            stream.write_batch(batch)
    return sink.getvalue().to_pybytes()


def drawn(random, count):
    """Notes in crowds, some near enough to each other to be duplicates, some equal."""
    centres = np.random.default_rng(0).standard_normal((4, WIDTH))
    vectors = centres[random.integers(0, 4, count)]
    vectors = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    spread = random.choice([0, 0.01, 0.03], (count, 1))
    vectors = vectors + spread * random.standard_normal((count, WIDTH))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32), st.integers(2, 60), st.integers(1, 4))
def test_updates_leave_the_groups_of_a_join_of_all_notes(seed, rows, updates):
    random = np.random.default_rng(seed)
    with tempfile.TemporaryDirectory() as folder:
        lake = OneCell(f"{folder}/lake", dict(enumerate(drawn(random, rows))))
        for number in range(updates):
            there = np.array(sorted(lake.vectors))
            deleted = random.choice(there, min(len(there) - 1, random.integers(0, 4)), replace=False).tolist()
            edited = random.choice(np.setdiff1d(there, deleted), 1).tolist()
            keys = [*edited, *range(1000 * (number + 1), 1000 * (number + 1) + random.integers(0, 5))]
            lake.update(dict(zip(keys, drawn(random, len(keys)), strict=True)), deleted)
        anew = OneCell(f"{folder}/anew", lake.vectors)
        assert lake.groups() == anew.groups()


def test_chains_in_tasks_of_their_own_give_the_same_groups(tmp_path):
    lake = OneCell(tmp_path / "lake", dict(enumerate(drawn(np.random.default_rng(5), 90))))
    wanted = lake.groups()
    assert len(set(wanted.values())) > 5
    batches = [batch for path in lake.pairs for batch in make_reader(PAIR_COLUMNS)(path)]
    folders = duplicates.GroupFolders(f"{tmp_path}/members", f"{tmp_path}/scratch")
    (chains,) = records(duplicates.make_chains(folders), batches)
    assert chains["kind"] == duplicates.CHAINS
    labelled = pa.Table.from_batches(list(duplicates.make_with_chain([chains["path"]], as_read)(iter(batches))))
    written = []
    for chain in labelled["chain"].unique().to_pylist():
        written += records(
            duplicates.make_groups(folders), labelled.filter(pc.equal(labelled["chain"], chain)).to_batches()
        )
    written += records(duplicates.make_compared(folders, WIDTH, SCORE), lake.open_rows(written))
    assert members(written) == wanted
    keys, groups = duplicates.read_keyed(
        tuple(row["path"] for row in written if row["kind"] == duplicates.GROUPS), "group_key"
    )
    assert (np.diff(keys) > 0).all()
    assert {f"n{key:04d}": f"n{group:04d}" for key, group in zip(keys, groups, strict=True)} == {
        note: group for note, (group, _) in wanted.items()
    }


def test_without_pairs_there_are_no_groups():
    assert [len(column) for column in duplicates.read_keyed((), "group_key")] == [0, 0]
