"""A published shard, memory-mapped: scanned by its codes, and ranked again by its vectors."""

from __future__ import annotations

from functools import cached_property
from threading import Lock
from typing import Any

import faiss
import numpy as np

from uninote.index.files.folder import IndexFolder
from uninote.index.files.records import ShardFile
from uninote.index.note_keys import Constraint, NoteKeys
from uninote.index.planning.plan import FAST_SCAN_NBITS
from uninote.index.shard_vectors import map_vectors, scores_of

# The tables that FAISS would compute on opening cost lists x codebooks of memory, and digits where vectors form a cone.
_READ_FLAGS = faiss.IO_FLAG_MMAP | faiss.IO_FLAG_SKIP_PRECOMPUTE_TABLE
# Sets of allowed keys are made once for each constraint: a search job asks thousands of queries with one.
_KEPT_SELECTIONS = 8


class OpenShard:
    """A published shard, memory-mapped. For use by several threads."""

    def __init__(self, folder: IndexFolder, shard: ShardFile, nlist: int, voided: np.ndarray) -> None:
        self.notes = NoteKeys(folder.checked(shard.keys))
        self._file = faiss.read_index(str(folder.checked(shard.index)), _READ_FLAGS)
        self.ivf = faiss.downcast_index(faiss.extract_index_ivf(self._file))
        self._local = local_lists(self.notes.lists, nlist)
        self._folder = folder
        self._shard = shard
        self._voided = voided
        self._scanned: faiss.IndexIVF | None = None
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
    def vectors(self) -> np.ndarray:
        """float16 (rows, width), mapped: the vectors as they are coded, in order of key. ValueError where there are none."""
        if self._shard.vectors is None:
            raise ValueError(f"shard {self._shard.shard_id} has codes alone")
        return map_vectors(self._folder.checked(self._shard.vectors), len(self.notes.keys), self.ivf.d)

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

    def exact(self, keys: np.ndarray, rotated: np.ndarray, owners: np.ndarray) -> np.ndarray:
        """Return float32 (n,): the score of each of `keys`, int64 (n,), all held here, for the query `rotated[owners[i]]`."""
        return scores_of(self.vectors, np.searchsorted(self.notes.keys, keys), rotated, owners)

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
        self._packed().search_preassigned_c(rows, query, k, list_numbers, coarse, distances, labels, False, settings)
        return squared, keys

    def _packed(self) -> faiss.IndexIVF:
        """Return what is scanned: codes of 8 bits where they are mapped, those of 4 bits as FAISS packs them for fast scan."""
        with self._lock:
            if self._scanned is None:
                four_bits = self.ivf.pq.nbits == FAST_SCAN_NBITS
                self._scanned = faiss.IndexIVFPQFastScan(self.ivf) if four_bits else self.ivf
            return self._scanned

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
    # FAISS keeps a bare pointer, so this reference has to keep the object alive.
    rest.excluded = excluded
    return rest


def local_lists(lists: np.ndarray, nlist: int) -> np.ndarray:
    """Return int64 (nlist,): the number of each list within the shard that holds `lists`, -1 for the others."""
    local = np.full(nlist, -1, dtype=np.int64)
    local[lists] = np.arange(len(lists))
    return local
