"""Search over the shards of a published index: route, search the few shards that matter, merge."""

from __future__ import annotations

from pathlib import Path

import faiss
import numpy as np

from uninote.errors import UninoteError
from uninote.index.files import sha256_of
from uninote.index.manifest import IndexDamagedError, Manifest, ShardFile, read_manifest
from uninote.index.shard import local_lists
from uninote.index.template import Template, load_template
from uninote.kmeans import check_vectors

# The tables FAISS would compute on opening cost lists x codebook in memory, and lose digits where vectors crowd in a cone.
_READ_FLAGS = faiss.IO_FLAG_MMAP | faiss.IO_FLAG_SKIP_PRECOMPUTE_TABLE
_SLOT_FREE = -1


class SearchError(UninoteError):
    """The search was asked for something impossible."""


class Index:
    """A published index, its shards memory-mapped when first needed. For use by one thread."""

    def __init__(self, folder: Path, manifest: Manifest, template: Template) -> None:
        self.manifest = manifest
        self._folder = folder
        self._template = template
        self._open: dict[int, faiss.IndexIVFPQ] = {}
        self._local = {
            position: local_lists(np.array(shard.lists, dtype=np.int64), template.index.nlist)
            for position, shard in enumerate(manifest.shards)
        }

    @classmethod
    def open(cls, folder: Path) -> Index:
        """Open the index in `folder`: reads the manifest and the template, and checks the size of every shard file.

        A shard's checksum is checked when a query first touches it. Raises IndexDamagedError, or ManifestError when there is
        no manifest to read.
        """
        manifest = read_manifest(folder)
        template = load_template(folder, manifest.template)
        _check_lists(manifest, template)
        for shard in manifest.shards:
            _check_size(folder, shard)
        return cls(folder, manifest, template)

    def search(self, vectors: np.ndarray, k: int, nprobe: int = 16) -> tuple[np.ndarray, np.ndarray]:
        """Return (item_keys int64 (n, k), scores float32 (n, k)), best first, equal scores by key; free slots -1 and -inf.

        `vectors` are float32 (n, width) of unit length. The `nprobe` nearest lists of each are searched (all, if fewer),
        with the result that one FAISS index of all rows would give.
        """
        check_vectors(vectors, self._template.width)
        if k < 1 or nprobe < 1:
            raise SearchError(f"k is {k} and nprobe {nprobe}; both must be at least 1")
        keys = np.empty((len(vectors), 0), dtype=np.int64)
        distances = np.empty((len(vectors), 0), dtype=np.float32)
        if not len(vectors):
            return np.empty((0, k), dtype=np.int64), np.empty((0, k), dtype=np.float32)
        _, probed = self._template.index.quantizer.search(vectors, min(nprobe, self._template.index.nlist))
        for position in range(len(self.manifest.shards)):
            probed_here = self._local[position][probed]
            rows = np.flatnonzero((probed_here >= 0).any(axis=1))
            if len(rows):
                found = self._search_shard(position, vectors[rows], probed_here[rows], k)
                keys, distances = _merge(keys, distances, rows, found)
        return keys, 1 - distances / 2

