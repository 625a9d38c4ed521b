"""Search over the shards of a published index: route, search the few shards that matter, merge."""

from __future__ import annotations

from pathlib import Path

import faiss
import numpy as np
from faiss.contrib.ivf_tools import search_preassigned

from uninote.errors import UninoteError
from uninote.index.files import sha256_of
from uninote.index.manifest import IndexDamagedError, Manifest, ShardFile, read_manifest
from uninote.index.shard import local_lists
from uninote.index.template import Template, load_template
from uninote.kmeans import check_vectors, nearest_centroids
from uninote.neighbours.merge import merge_topk

# The tables that FAISS would compute on opening cost lists x codebooks of memory, and digits where vectors form a cone.
_READ_FLAGS = faiss.IO_FLAG_MMAP | faiss.IO_FLAG_SKIP_PRECOMPUTE_TABLE


class SearchError(UninoteError):
    """The search was asked for something impossible."""


class Index:
    """A published index, its shards memory-mapped when first needed. For use by one thread."""

    def __init__(self, folder: Path, manifest: Manifest, template: Template) -> None:
        self.manifest = manifest
        self._folder = folder
        self._template = template
        self._open: dict[int, faiss.IndexIVFPQ] = {}
        self._local = [
            local_lists(np.array(shard.lists, dtype=np.int64), template.index.nlist) for shard in manifest.shards
        ]

    @classmethod
    def open(cls, folder: Path) -> Index:
        """Open the index in `folder`: reads the manifest and the template, and checks the size of every shard file.

        A shard's checksum is checked when a query first touches it. Raises IndexDamagedError, or ManifestError when
        there is no manifest to read.
        """
        manifest = read_manifest(folder)
        template = load_template(folder, manifest.template)
        _check_lists(manifest, template)
        for shard in manifest.shards:
            _check_size(folder, shard)
        return cls(folder, manifest, template)

    def search(self, vectors: np.ndarray, k: int, nprobe: int = 16) -> tuple[np.ndarray, np.ndarray]:
        """Return (item_keys int64 (n, k), scores float32 (n, k)), best first, equal scores by key.

        Free slots hold -1 and -inf. `vectors` are float32 (n, width) of unit length. The `nprobe` nearest lists of
        each are searched (all, if fewer), with the result that one FAISS index of all rows would give.
        """
        check_vectors(vectors, self._template.width)
        if k < 1 or nprobe < 1:
            raise SearchError(f"k is {k} and nprobe {nprobe}; both must be at least 1")
        nlist = self._template.index.nlist
        probed = nearest_centroids(vectors, self._template.centroids, min(nprobe, nlist))
        keys = np.full((len(vectors), k), -1, dtype=np.int64)
        scores = np.full((len(vectors), k), -np.inf, dtype=np.float32)
        for position, local in enumerate(self._local):
            lists = local[probed]
            rows = np.flatnonzero((lists >= 0).any(axis=1))
            if len(rows):
                found_keys, found = self._search_shard(position, vectors[rows], lists[rows], k)
                keys[rows], scores[rows] = merge_topk(
                    np.hstack([keys[rows], found_keys]), np.hstack([scores[rows], found]), k
                )
        return keys, scores

    def _search_shard(
        self, position: int, vectors: np.ndarray, lists: np.ndarray, k: int
    ) -> tuple[np.ndarray, np.ndarray]:
        index = self._shard(position)
        # FAISS takes at most as many lists a query as the shard has, so those of other shards (-1) make way.
        held = np.take_along_axis(lists, np.argsort(lists < 0, axis=1, kind="stable"), axis=1)
        index.nprobe = int((lists >= 0).sum(axis=1).max())
        squared, keys = search_preassigned(index, vectors, k, held[:, : index.nprobe])
        return keys, np.where(keys < 0, np.float32(-np.inf), 1 - squared / 2)

    def _shard(self, position: int) -> faiss.IndexIVFPQ:
        if position not in self._open:
            self._open[position] = _open_shard(self._folder, self.manifest.shards[position])
        return self._open[position]


def _check_lists(manifest: Manifest, template: Template) -> None:
    held = sorted(number for shard in manifest.shards for number in shard.lists)
    if held != list(range(template.index.nlist)) or manifest.width != template.width:
        raise IndexDamagedError(
            f"the manifest has {len(held)} lists of width {manifest.width}, the template {template.index.nlist} of "
            f"width {template.width}; each list must be in one shard: build the index again"
        )


def _check_size(folder: Path, shard: ShardFile) -> None:
    path = folder / shard.file
    found = path.stat().st_size if path.is_file() else None
    if found != shard.bytes:
        state = "missing" if found is None else f"{found} bytes long"
        raise IndexDamagedError(
            f"shard {path} is {state}, the manifest says {shard.bytes} bytes; restore it or build the index again"
        )


def _open_shard(folder: Path, shard: ShardFile) -> faiss.IndexIVFPQ:
    _check_size(folder, shard)
    path = folder / shard.file
    found = sha256_of(path)
    if found != shard.sha256:
        raise IndexDamagedError(
            f"shard {path} has SHA-256 {found}, the manifest says {shard.sha256}; restore it or build the index again"
        )
    return faiss.read_index(str(path), _READ_FLAGS)
