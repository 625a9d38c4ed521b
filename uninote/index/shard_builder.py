"""Building one shard: the lists of some cells, encoded or copied from an older shard, and the files beside them."""

from __future__ import annotations

import faiss
import numpy as np
import pyarrow as pa
from faiss.contrib.ivf_tools import add_preassigned

from uninote.errors import UninoteError
from uninote.index.files.folder import IndexFolder
from uninote.index.files.records import ShardFile
from uninote.index.files.stored_file import StoredFile
from uninote.index.note_keys import KEY, write_keys
from uninote.index.open_shard import OpenShard, local_lists
from uninote.index.shard_vectors import STORED, write_vectors
from uninote.index.template.template import Template, new_ivfpq
from uninote.vectors.kmeans import check_vectors


class ShardError(UninoteError):
    """Rows do not belong into the shard they were given to."""


class ShardBuilder:
    """Collects the rows of one shard and writes its files. The ids in FAISS are item keys.

    The FAISS file carries only the centroids of lists that have rows, renumbered from 0, the shared codebooks, and the
    rotation where there is one. It holds rows in the order they came: the same rows in the same order give the same
    bytes. With `rerank`, a third file has the vectors as they are coded, float16, in order of key.

    Codes of 4 bits are written as FAISS' plain IVF-PQ, not in its fast-scan blocks: those can be neither mapped nor copied
    row by row, and fill lists up to multiples of 32 rows (111 against 126 bytes a row, 60,000 rows in 256 lists). Whoever
    searches packs them, in 0.15 µs a row.
    """

    def __init__(self, template: Template, shard_id: int, cells: np.ndarray, rerank: bool = False) -> None:
        self._template = template
        self._shard_id = shard_id
        self._cells = cells
        self._lists = np.flatnonzero(np.isin(template.list_cell, cells))
        self._local = local_lists(self._lists, template.nlist)
        self._index = self._empty(self._lists)
        self._rows: list[pa.RecordBatch] = []
        self._vectors: list[np.ndarray] | None = [] if rerank else None

    def add(self, rows: pa.RecordBatch, rotated: np.ndarray, list_ids: np.ndarray) -> None:
        """Encode `rotated`, float32 (n, width), into the lists that `assign` gave them; `rows` are their note_keys.COLUMNS.

        Raises ShardError for a list of another shard or a negative key.
        """
        check_vectors(rotated, self._index.d)
        if not len(rows) == len(rotated) == len(list_ids):
            raise ShardError(f"{len(rows)} keys, {len(rotated)} vectors and {len(list_ids)} lists; one each is due")
        if not len(rows):
            return
        # Lists of other shards have the number -1 here.
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
        if self._vectors is not None:
            self._vectors.append(rotated.astype(STORED))

    @property
    def rows(self) -> int:
        """How many rows it has."""
        return int(self._index.ntotal)

    def take(self, shard: OpenShard) -> None:
        """Take over the live rows that a published shard of the same template has in this one's cells.

        Codes and vectors are copied as they are: a code that was copied ten times is what encoding the vector gives.
        """
        ours = self._index.invlists
        theirs = shard.ivf.invlists
        live = shard.notes.keys[shard.live]
        taken = [np.empty(0, np.int64)]
        for number, name in enumerate(shard.notes.lists.tolist()):
            size = theirs.list_size(number)
            local = int(self._local[name])
            if local < 0 or not size:
                continue
            # Views of FAISS' memory: nothing is copied but the rows that are taken.
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
        positions = shard.notes.positions(keys)
        self._rows += shard.notes.rows(positions)
        if self._vectors is not None and len(positions):
            self._vectors.append(shard.vectors[positions])

    def finish(self, folder: IndexFolder, stem: str) -> ShardFile:
        """Write `<stem>.faiss`, `.keys.arrow` and `.vectors.npy`, each complete or not at all, and return their record."""
        if not self._rows:
            raise ShardError(f"shard {self._shard_id} has no rows; leave it out")
        lists = self._drop_empty_lists()
        keys = folder.put(f"{stem}.keys.arrow", lambda path: write_keys(self._rows, lists, path))
        index = folder.put(f"{stem}.faiss", lambda path: faiss.write_index(self._rotating(), str(path)))
        vectors = self._put_vectors(folder, f"{stem}.vectors.npy")
        return ShardFile(self._shard_id, int(self._index.ntotal), tuple(self._cells.tolist()), index, keys, vectors)

    def _put_vectors(self, folder: IndexFolder, name: str) -> StoredFile | None:
        """Write the vectors in order of key, as the file of keys has its rows; null where codes stand alone."""
        if self._vectors is None:
            return None
        stored = self._vectors
        keys = np.concatenate([rows.column(KEY).to_numpy() for rows in self._rows])
        order = np.argsort(keys)
        return folder.put(name, lambda path: write_vectors(stored, order, path))

    def _empty(self, lists: np.ndarray) -> faiss.IndexIVFPQ:
        pq = self._template.index.pq
        index = new_ivfpq(self._template.centroids.centres[lists], pq.M, pq.nbits)
        index.pq = pq  # a copy
        return index

    def _drop_empty_lists(self) -> np.ndarray:
        """Leave out lists without rows, where they are most: they would dwarf a segment of few rows."""
        old = self._index.invlists
        held = np.flatnonzero(list(map(old.list_size, range(len(self._lists)))))
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
