"""One shard: the lists of some cells in one file that plain FAISS reads, and a file that says which notes they are."""

from __future__ import annotations

from functools import cached_property
from threading import Lock
from typing import Any

import faiss
import numpy as np
import pyarrow as pa
from faiss.contrib.ivf_tools import add_preassigned

from uninote.errors import UninoteError
from uninote.index.folder import IndexFolder
from uninote.index.manifest import ShardFile
from uninote.index.note_keys import KEY, Constraint, NoteKeys, write_keys
from uninote.index.template import Template, new_ivfpq
from uninote.vectors.kmeans import check_vectors

# The tables that FAISS would compute on opening cost lists x codebooks of memory, and digits where vectors form a cone.
_READ_FLAGS = faiss.IO_FLAG_MMAP | faiss.IO_FLAG_SKIP_PRECOMPUTE_TABLE
_KEPT_SELECTIONS = 8


class ShardError(UninoteError):
    """Rows do not belong into the shard they were given to."""


class ShardBuilder:
    """Collects the rows of one shard and writes its two files. The ids in FAISS are item keys.

    The FAISS file carries only the centroids of lists that have rows, renumbered from 0, the shared codebooks, and the
    rotation where there is one. It holds rows in the order they came: the same rows in the same order give the same
    bytes.
    """

    def __init__(self, template: Template, shard_id: int, cells: np.ndarray) -> None:
        self._template = template
        self._shard_id = shard_id
        self._cells = cells
        self._lists = np.flatnonzero(np.isin(template.list_cell, cells))
        self._local = local_lists(self._lists, template.nlist)
        self._index = self._empty(self._lists)
        self._rows: list[pa.RecordBatch] = []

    def add(self, rows: pa.RecordBatch, rotated: np.ndarray, list_ids: np.ndarray) -> None:
        """Encode `rotated`, float32 (n, width), into the lists that `assign` gave them; `rows` are their note_keys.COLUMNS.

        Raises ShardError for a list of another shard or a negative key.
        """
        check_vectors(rotated, self._index.d)
        if not len(rows) == len(rotated) == len(list_ids):
            raise ShardError(f"{len(rows)} keys, {len(rotated)} vectors and {len(list_ids)} lists; one each is due")
        if not len(rows):
            return
        local = self._local[list_ids]
        keys = np.array(rows.column(KEY).to_numpy(), dtype=np.int64)
        if local.min() < 0 or keys.min() < 0:
            foreign = sorted(set(list_ids[local < 0].tolist()))[:5]
            raise ShardError(
                f"shard {self._shard_id} was given lists {foreign} of other shards, or a negative item key (smallest: "
                f"{keys.min()}); send each row to the shard of its list's cell, keys counted from 0"
            )
        add_preassigned(self._index, np.ascontiguousarray(rotated), local, keys)
        self._rows.append(rows)

    @property
    def rows(self) -> int:
        """How many rows it has."""
        return int(self._index.ntotal)

    def take(self, shard: OpenShard) -> None:
        """Take over the live rows that a published shard of the same template has in this one's cells: codes as they are."""
        ours = self._index.invlists
        theirs = shard.ivf.invlists
        live = shard.notes.keys[shard.live]
        taken = [np.empty(0, np.int64)]
        for number, name in enumerate(shard.notes.lists.tolist()):
            size = theirs.list_size(number)
            local = int(self._local[name])
            if local < 0 or not size:
                continue
            ids = faiss.rev_swig_ptr(theirs.get_ids(number), size)
            codes = faiss.rev_swig_ptr(theirs.get_codes(number), size * theirs.code_size).reshape(size, -1)
            is_live = np.isin(ids, live, assume_unique=True)
            ids = ids[is_live]
            codes = np.ascontiguousarray(codes[is_live])
            if len(ids):
                ours.add_entries(local, len(ids), faiss.swig_ptr(ids), faiss.swig_ptr(codes))
            taken.append(ids)
        keys = np.sort(np.concatenate(taken))
        self._index.ntotal += len(keys)
        self._rows += shard.notes.rows(shard.notes.positions(keys))

    def finish(self, folder: IndexFolder, stem: str) -> ShardFile:
        """Write `<stem>.faiss` and `<stem>.keys.arrow`, each complete or not at all, and return their record."""
        if not self._rows:
            raise ShardError(f"shard {self._shard_id} has no rows; leave it out")
        lists = self._drop_empty_lists()
        keys = folder.put(f"{stem}.keys.arrow", lambda path: write_keys(self._rows, lists, path))
        index = folder.put(f"{stem}.faiss", lambda path: faiss.write_index(self._rotating(), str(path)))
        return ShardFile(self._shard_id, int(self._index.ntotal), tuple(self._cells.tolist()), index, keys)

    def _empty(self, lists: np.ndarray) -> faiss.IndexIVFPQ:
        pq = self._template.index.pq
        index = new_ivfpq(self._template.centroids.centres[lists], pq.M, pq.nbits)
        index.pq = pq  # a copy
        return index

    def _drop_empty_lists(self) -> np.ndarray:
        """Leave out lists without rows, where they are most: they would dwarf a segment of few rows."""
        old = self._index.invlists
        held = np.array([number for number in range(len(self._lists)) if old.list_size(number)])
        if 2 * len(held) > len(self._lists):
            return self._lists
        index = self._empty(self._lists[held])
        for local, number in enumerate(held.tolist()):
            size = old.list_size(number)
            index.invlists.add_entries(local, size, old.get_ids(number), old.get_codes(number))
        index.ntotal = self._index.ntotal
        self._index = index
        return np.asarray(self._lists[held])

    def _rotating(self) -> faiss.Index:
        rotation = self._template.rotation
        if rotation is None:
            return self._index
        transform = faiss.LinearTransform(self._index.d, self._index.d)
        faiss.copy_array_to_vector(rotation.reshape(-1), transform.A)
        transform.is_trained = transform.is_orthonormal = True
        return faiss.IndexPreTransform(transform, self._index)


class OpenShard:
    """A published shard, memory-mapped. For use by several threads."""

    def __init__(self, folder: IndexFolder, shard: ShardFile, nlist: int, voided: np.ndarray) -> None:
        self.notes = NoteKeys(folder.checked(shard.keys))
        self._file = faiss.read_index(str(folder.checked(shard.index)), _READ_FLAGS)
        self.ivf = faiss.downcast_index(faiss.extract_index_ivf(self._file))
        self._local = local_lists(self.notes.lists, nlist)
        self._voided = voided
        self._selections: dict[Constraint, faiss.IDSelector | None] = {}
        self._lock = Lock()

    @property
    def ids(self) -> np.ndarray:
        """int64 (rows,): the keys that are in the FAISS file, in no order."""
        lists = self.ivf.invlists
        found = [np.empty(0, np.int64)]
        for number in range(self.ivf.nlist):
            if size := lists.list_size(number):
                found.append(faiss.rev_swig_ptr(lists.get_ids(number), size).copy())
        return np.concatenate(found)

    @cached_property
    def live(self) -> np.ndarray:
        """Mask (rows,) of the keys that no later segment voids."""
        mask = np.ones(len(self.notes.keys), dtype=bool)
        mask[self.notes.positions(self._voided)] = False
        return mask

    def search(
        self, rotated: np.ndarray, probed: np.ndarray, k: int, constraint: Constraint
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return (queries int64 (m,), keys int64 (m, k), scores float32 (m, k)) of the queries that probe a list held here.

        `rotated` are float32 (n, width), `probed` int32 (n, nprobe) lists of the template. Free slots: -1 and -inf.
        """
        lists = self._local[probed]
        queries = np.flatnonzero((lists >= 0).any(axis=1))
        if not len(queries):
            return queries, np.empty((0, k), np.int64), np.empty((0, k), np.float32)
        squared, keys = self._scan(rotated[queries], lists[queries], k, self._selection(constraint))
        return queries, keys, np.where(keys < 0, np.float32(-np.inf), 1 - squared / 2)

    def _scan(
        self, rotated: np.ndarray, lists: np.ndarray, k: int, selector: faiss.IDSelector | None
    ) -> tuple[np.ndarray, np.ndarray]:
        # FAISS takes at most as many lists a query as the shard has, so those of other shards (-1) make way.
        held = np.take_along_axis(lists, np.argsort(lists < 0, axis=1, kind="stable"), axis=1)
        nprobe = int((lists >= 0).sum(axis=1).max())
        rows = len(rotated)
        held = np.ascontiguousarray(held[:, :nprobe], np.int64)
        vectors = np.ascontiguousarray(rotated)
        squared = np.empty((rows, k), np.float32)
        keys = np.empty((rows, k), np.int64)
        # Parameters of this call, never of the shared index: other threads search it at the same time.
        settings = faiss.SearchParametersIVF(nprobe=nprobe, sel=selector)
        arrays: list[Any] = [vectors, held, np.zeros(held.shape, np.float32), squared, keys]
        query, list_numbers, coarse, distances, labels = map(faiss.swig_ptr, arrays)
        self.ivf.search_preassigned_c(rows, query, k, list_numbers, coarse, distances, labels, False, settings)
        return squared, keys

    def _selection(self, constraint: Constraint) -> faiss.IDSelector | None:
        with self._lock:
            if constraint not in self._selections:
                if len(self._selections) >= _KEPT_SELECTIONS:
                    self._selections.pop(next(iter(self._selections)))
                self._selections[constraint] = self._select(constraint)
            return self._selections[constraint]

    def _select(self, constraint: Constraint) -> faiss.IDSelector | None:
        """Return what FAISS may return; None: anything."""
        if not len(self._voided) and not constraint:
            return None
        allowed = self.live & self.notes.matching(constraint) if constraint else self.live
        if allowed.all():
            return None
        # FAISS looks each row up in a hash set: the smaller of the two sets of keys is made.
        if 2 * allowed.sum() < len(allowed):
            return faiss.IDSelectorBatch(self.notes.keys[allowed])
        return _but(faiss.IDSelectorBatch(self.notes.keys[~allowed]))


def _but(excluded: faiss.IDSelector) -> faiss.IDSelector:
    rest = faiss.IDSelectorNot(excluded)
    rest.excluded = excluded  # FAISS keeps a pointer, Python has to keep the object
    return rest


def local_lists(lists: np.ndarray, nlist: int) -> np.ndarray:
    """Return int64 (nlist,): the number of each list within the shard that holds `lists`, -1 for the others."""
    local = np.full(nlist, -1, dtype=np.int64)
    local[lists] = np.arange(len(lists))
    return local
