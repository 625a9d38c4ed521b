"""One shard: the lists of some cells in one file that plain FAISS reads."""

from __future__ import annotations

from pathlib import Path

import faiss
import numpy as np
from faiss.contrib.ivf_tools import add_preassigned

from uninote.errors import UninoteError
from uninote.index.files import sha256_of, write_whole
from uninote.index.manifest import ShardFile
from uninote.index.template import Template, new_ivfpq
from uninote.kmeans import check_vectors


class ShardError(UninoteError):
    """Rows do not belong into the shard they were given to."""


class ShardBuilder:
    """Collects the rows of one shard and writes its file. The ids inside are item keys.

    The file carries only this shard's centroids, renumbered from 0 in the order of `lists`, and the shared
    codebooks. It holds rows in the order they came: the same rows in the same order give the same bytes.
    """

    def __init__(self, template: Template, shard_id: int) -> None:
        shard_of_list = template.shard_of_list
        if not 0 <= shard_id <= shard_of_list.max():
            raise ShardError(f"shard {shard_id} is not in the template; its shards are 0 to {shard_of_list.max()}")
        self._shard_id = shard_id
        self._lists = np.flatnonzero(shard_of_list == shard_id)
        self._cells = np.flatnonzero(template.cell_shard == shard_id)
        self._local = local_lists(self._lists, len(shard_of_list))
        pq = template.index.pq
        self._index = new_ivfpq(template.centroids[self._lists], pq.M, pq.nbits)
        self._index.pq = pq  # a copy

    def add(self, item_keys: np.ndarray, vectors: np.ndarray, list_ids: np.ndarray) -> None:
        """Encode `vectors`, float32 (n, width), under `item_keys`, int64 (n,), into the lists that `assign` gave them.

        Raises ShardError for a list of another shard or a negative key.
        """
        check_vectors(vectors, self._index.d)
        if not len(item_keys) == len(vectors) == len(list_ids):
            raise ShardError(
                f"{len(item_keys)} keys, {len(vectors)} vectors and {len(list_ids)} lists; one each is due"
            )
        if not len(vectors):
            return
        local = self._local[list_ids]
        if local.min() < 0 or item_keys.min() < 0:
            foreign = sorted(set(list_ids[local < 0].tolist()))[:5]
            raise ShardError(
                f"shard {self._shard_id} was given lists {foreign} of other shards, or a negative item key (smallest: "
                f"{item_keys.min()}); send each row to shard_of_list[list], keys counted from 0"
            )
        keys = np.ascontiguousarray(item_keys, dtype=np.int64)
        add_preassigned(self._index, np.ascontiguousarray(vectors), local, keys)

    def finish(self, folder: Path, file_stem: str) -> ShardFile:
        """Write `<file_stem>.faiss` into `folder`, whole or not at all, and return its record. No rows is legal."""
        path = folder / f"{file_stem}.faiss"
        write_whole(path, lambda temporary: faiss.write_index(self._index, str(temporary)))
        return ShardFile(
            shard_id=self._shard_id,
            file=path.name,
            rows=int(self._index.ntotal),
            bytes=path.stat().st_size,
            sha256=sha256_of(path),
            lists=tuple(self._lists.tolist()),
            cells=tuple(self._cells.tolist()),
        )


def local_lists(lists: np.ndarray, nlist: int) -> np.ndarray:
    """Return int64 (nlist,): the number of each list within the shard that holds `lists`, -1 for the others."""
    local = np.full(nlist, -1, dtype=np.int64)
    local[lists] = np.arange(len(lists))
    return local
