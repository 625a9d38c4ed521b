"""The template: what an index learns once, before any vector is added, and every shard shares."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from zipfile import BadZipFile

import faiss
import numpy as np

from uninote.index.files.folder import IndexFolder
from uninote.index.files.stored_file import IndexDamagedError, StoredFile
from uninote.index.planning.plan import FAST_SCAN_NBITS
from uninote.index.template.affinity import pack_cells
from uninote.index.template.centroids import Centroids
from uninote.storage.file_hashes import sha256_of
from uninote.storage.types import MissingFileError

_LAYOUT = ("list_cell", "list_rows", "groups", "error")


@dataclass(frozen=True, eq=False)
class Template:
    """A trained, empty IVF-PQ index, and where its lists go.

    `list_cell` int32 (nlist,) is the cell of each list, `list_rows` int64 (nlist,) how many rows of the sample fell into
    it; `groups` float32 (groups, width), none where lists are looked up directly. `error` is the mean squared distance
    between a rotated vector and its decoded code, of rows held out from training. The metric is L2 throughout, for
    vectors of unit length: score = 1 - d²/2. Codes of 8 bits are of residuals to the centroid, so a cone of vectors that all
    point one way is coded as finely as any other. Codes of 4 bits are of the vectors themselves, see `new_ivfpq`.
    """

    index: faiss.IndexIVFPQ
    rotation: np.ndarray | None
    list_cell: np.ndarray
    list_rows: np.ndarray
    groups: np.ndarray
    error: float

    @property
    def width(self) -> int:
        """Width of the vectors."""
        return int(self.index.d)

    @property
    def nlist(self) -> int:
        """Number of lists."""
        return int(self.index.nlist)

    @property
    def num_cells(self) -> int:
        """Number of cells: groups of neighbouring lists of like weight."""
        return int(self.list_cell.max()) + 1

    @cached_property
    def centroids(self) -> Centroids:
        """The centres of the lists, as rotated."""
        return Centroids(np.asarray(self.index.quantizer.reconstruct_n(0, self.nlist)), self.groups)

    def rotate(self, vectors: np.ndarray) -> np.ndarray:
        """Return `vectors`, float32 (n, width), as they are coded. Distances stay the same."""
        return vectors if self.rotation is None else np.ascontiguousarray(vectors @ self.rotation.T)

    def assign(self, rotated: np.ndarray) -> np.ndarray:
        """Return int32 (n,): the list of each rotated vector, float32 (n, width)."""
        return self.centroids.nearest(rotated)[:, 0]

    def pack(self, num_shards: int) -> np.ndarray:
        """Return int32 (num_cells,): the shard of each cell, where `num_shards` share the cells out by weight."""
        rows = np.bincount(self.list_cell, weights=self.list_rows, minlength=self.num_cells)
        return pack_cells(rows, min(num_shards, self.num_cells))

    def code_error(self, vectors: np.ndarray) -> float:
        """Return the mean squared distance between `vectors`, float32 (n, width), and what their codes decode to."""
        rotated = self.rotate(vectors)
        if self.index.by_residual:
            rotated = rotated - self.centroids.centres[self.assign(rotated)]
        return code_error(self.index.pq, rotated)

    def content_hash(self) -> str:
        """Return 16 hexadecimal characters over everything in the template; its files are named by it."""
        # Of the content, not of the files: how numpy writes an .npz may change with its version.
        content = hashlib.sha256(faiss.serialize_index(self.index).tobytes())
        for value in self._layout().values():
            content.update(np.ascontiguousarray(value).tobytes())
        return content.hexdigest()[:16]

    def save(self, folder: IndexFolder) -> str:
        """Write the template's two files, named by its hash, into `folder`. Returns the hash."""
        name = self.content_hash()
        index_name, layout_name = _names(name)
        folder.put(index_name, lambda path: faiss.write_index(self.index, str(path)))
        folder.put(layout_name, self._save_layout)
        return name

    def _layout(self) -> dict[str, np.ndarray]:
        layout = {"list_cell": self.list_cell, "list_rows": self.list_rows, "groups": self.groups}
        rotation = np.empty((0, 0), np.float32) if self.rotation is None else self.rotation
        return layout | {"error": np.array(self.error), "rotation": rotation}

    def _save_layout(self, path: Path) -> None:
        with path.open("wb") as file:
            np.savez(file, allow_pickle=False, **self._layout())


def load_template(folder: IndexFolder, content_hash: str) -> Template:
    """Return the template saved under `content_hash`. Raises IndexDamagedError when it is missing or not that one."""
    index_name, layout_name = _names(content_hash)
    try:
        # The tables that FAISS would compute take lists x codebooks of memory, and no codes are searched here.
        index = faiss.read_index(str(folder.local(index_name)), faiss.IO_FLAG_SKIP_PRECOMPUTE_TABLE)
        with np.load(folder.local(layout_name), allow_pickle=False) as layout:
            list_cell, list_rows, groups, error = (layout[name] for name in _LAYOUT)
            rotation = layout["rotation"] if len(layout["rotation"]) else None
        template = Template(index, rotation, list_cell, list_rows, groups, float(error))
    except (RuntimeError, MemoryError, OSError, ValueError, KeyError, BadZipFile, MissingFileError) as error:
        raise IndexDamagedError(f"template {content_hash} in {folder} cannot be read: {error}") from error
    if template.content_hash() != content_hash:
        raise IndexDamagedError(
            f"template {content_hash} in {folder} was changed after it was written; restore it or build the index again"
        )
    return template


def template_files(folder: IndexFolder, content_hash: str) -> tuple[StoredFile, ...]:
    """Return what a manifest says of a template's files, which are on this machine or are fetched."""
    found = []
    for name in _names(content_hash):
        path = folder.local(name)
        found.append(StoredFile(path.name, path.stat().st_size, sha256_of(path)))
    return tuple(found)


def new_ivfpq(centroids: np.ndarray, pq_m: int, pq_nbits: int) -> faiss.IndexIVFPQ:
    """Return an empty L2 IVF-PQ index around `centroids`, float32 (lists, width), its codebooks still to be set.

    Codes of 4 bits are not of residuals: those need a distance table for each query and list, which takes ten times as long
    as scanning a list of some sixty rows (60,000 x 384, 980 lists, 128 of them probed: 3.99 ms a query against 0.27).
    The best 100 by codes hold the best 10 in 97.3 of 100 cases either way.
    """
    quantizer = faiss.IndexFlatL2(centroids.shape[1])
    quantizer.add(centroids)
    # L2, although scores are cosines: on unit vectors both order alike, and L2 does not mind that encoders crowd their
    # vectors into a cone, where inner products find the longest centroids.
    index = faiss.IndexIVFPQ(quantizer, centroids.shape[1], len(centroids), pq_m, pq_nbits, faiss.METRIC_L2)
    index.by_residual = pq_nbits != FAST_SCAN_NBITS
    # The quantizer has its centroids, and the caller sets the codebooks: training by FAISS is passed over.
    index.is_trained = True
    return index


def code_error(pq: faiss.ProductQuantizer, coded: np.ndarray) -> float:
    """Return the mean squared distance between what is coded, float32 (n, width), and what it decodes to; 0.0 for none."""
    if not len(coded):
        return 0.0
    decoded = pq.decode(pq.compute_codes(np.ascontiguousarray(coded)))
    return float(((coded - decoded) ** 2).sum(axis=1).mean())


def _names(name: str) -> tuple[str, str]:
    return f"template-{name}.faiss", f"template-{name}.npz"
