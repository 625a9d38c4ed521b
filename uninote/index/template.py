"""The template: what an index learns once, before any vector is added, and every shard shares."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from zipfile import BadZipFile

import faiss
import numpy as np

from uninote.index.affinity import group_lists, pack_cells, settle_lists
from uninote.index.centroids import Centroids
from uninote.index.files import IndexDamagedError, StoredFile
from uninote.index.folder import IndexFolder
from uninote.index.plan import IndexPlan
from uninote.storage.file_hashes import sha256_of
from uninote.storage.types import MissingFileError
from uninote.vectors.kmeans import check_vectors, fit_kmeans

_MATRIX_PRODUCT_SIZE = 20  # rows x width from which FAISS multiplies matrices, as set while codebooks are trained
_CODEBOOK_ROWS = 65_536  # 256 for each codeword; more change nothing
_ROTATION_ROUNDS = 20
_PROBING_ROWS = 20_000
_PROBED = 8  # of a sample, whose nearest lists say which belong into one cell
_HELD_OUT = 10  # every tenth row of a sample: on these the codes are judged, since they were not trained on them
_LAYOUT = ("list_cell", "list_rows", "groups", "error")


@dataclass(frozen=True, eq=False)
class Template:
    """A trained, empty IVF-PQ index, and where its lists go.

    `list_cell` int32 (nlist,) is the cell of each list, `list_rows` int64 (nlist,) how many rows of the sample fell into
    it; `groups` float32 (groups, width), none where lists are looked up directly. `error` is the mean squared distance
    between a rotated vector and its decoded code, of rows held out from training. The metric is L2 throughout, for
    vectors of unit length: score = 1 - d²/2. Codes are of residuals to the centroid, so a cone of vectors that all point
    one way is coded as finely as any other.
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
        return _code_error(self.index.pq, rotated - self.centroids.centres[self.assign(rotated)])

    def content_hash(self) -> str:
        """Return 16 hexadecimal characters over everything in the template; its files are named by it."""
        layout = (np.ascontiguousarray(value) for value in self._layout().values())
        parts = (faiss.serialize_index(self.index), *layout)
        return hashlib.sha256(b"".join(part.tobytes() for part in parts)).hexdigest()[:16]

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


def train_template(sample: np.ndarray, plan: IndexPlan, seed: int) -> Template:
    """Train centroids and codebooks on `sample`, float32 (rows, width), in one process, and lay out the lists.

    Deterministic given the seed. Needs at least `plan.nlist` rows; ClusteringError says so otherwise.
    """
    check_vectors(sample, plan.width)
    rotation = fit_rotation(sample, plan, seed)
    rotated = sample if rotation is None else sample @ rotation.T
    return finish_template(rotated, rotation, Centroids(fit_kmeans(rotated, plan.nlist, seed)), plan, seed)


def fit_rotation(sample: np.ndarray, plan: IndexPlan, seed: int) -> np.ndarray | None:
    """Return the rotation, float32 (width, width), that suits the codes (OPQ, Ge et al. 2013); None if none is planned."""
    if not plan.opq:
        return None
    opq = faiss.OPQMatrix(plan.width, plan.pq_m)
    opq.niter = _ROTATION_ROUNDS
    opq.verbose = False
    opq.pq = pq = faiss.ProductQuantizer(plan.width, plan.pq_m, plan.pq_nbits)
    pq.cp.min_points_per_centroid = 1
    pq.cp.seed = seed
    rows = sample[:_CODEBOOK_ROWS] - sample.mean(axis=0)
    with _distances_by_matrix_product():
        opq.train(np.ascontiguousarray(np.resize(rows, (max(len(rows), pq.ksub), plan.width))))
    return np.asarray(faiss.vector_to_array(opq.A).reshape(plan.width, plan.width))


def finish_template(
    rotated: np.ndarray, rotation: np.ndarray | None, centroids: Centroids, plan: IndexPlan, seed: int
) -> Template:
    """Train codebooks around `centroids` on a sample of rotated vectors, float32 (rows, width), and lay out the lists."""
    lists = centroids.nearest(rotated)[:, 0]
    index = new_ivfpq(centroids.centres, plan.pq_m, plan.pq_nbits)
    every = max(1, len(rotated) // _CODEBOOK_ROWS)
    residuals = (rotated - centroids.centres[lists])[::every]
    held_out = np.arange(len(residuals)) % _HELD_OUT == 0
    enough = (~held_out).sum() >= 4 * index.pq.ksub  # a small corpus needs every row for its codebooks
    _train_codebooks(index.pq, residuals[~held_out] if enough else residuals, seed)
    error = _code_error(index.pq, residuals[held_out] if enough else residuals)
    list_rows = np.bincount(lists, minlength=plan.nlist)
    list_cell = group_lists(centroids.centres, list_rows, plan.num_cells, seed)
    if plan.num_cells > 1:
        probed = centroids.nearest(rotated[:: max(1, len(rotated) // _PROBING_ROWS)], min(_PROBED, plan.nlist))
        list_cell = settle_lists(list_cell, list_rows, probed)
    groups = np.empty((0, plan.width), np.float32) if centroids.groups is None else centroids.groups
    return Template(index, rotation, list_cell, list_rows, groups, error)


def load_template(folder: IndexFolder, content_hash: str) -> Template:
    """Return the template saved under `content_hash`. Raises IndexDamagedError when it is missing or not that one."""
    index_name, layout_name = _names(content_hash)
    try:
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
    paths = [folder.local(name) for name in _names(content_hash)]
    return tuple(StoredFile(path.name, path.stat().st_size, sha256_of(path)) for path in paths)


def new_ivfpq(centroids: np.ndarray, pq_m: int, pq_nbits: int) -> faiss.IndexIVFPQ:
    """Return an empty L2 IVF-PQ index around `centroids`, float32 (lists, width), its codebooks still to be set."""
    quantizer = faiss.IndexFlatL2(centroids.shape[1])
    quantizer.add(centroids)
    index = faiss.IndexIVFPQ(quantizer, centroids.shape[1], len(centroids), pq_m, pq_nbits, faiss.METRIC_L2)
    index.is_trained = True
    return index


def _code_error(pq: faiss.ProductQuantizer, residuals: np.ndarray) -> float:
    if not len(residuals):
        return 0.0
    decoded = pq.decode(pq.compute_codes(np.ascontiguousarray(residuals)))
    return float(((residuals - decoded) ** 2).sum(axis=1).mean())


def _train_codebooks(pq: faiss.ProductQuantizer, residuals: np.ndarray, seed: int) -> None:
    pq.cp.seed = seed
    pq.cp.min_points_per_centroid = 1  # below the default of 39 FAISS prints a warning for each part
    # Fewer rows than codewords: rows repeat, and each distinct one becomes a codeword.
    rows = max(len(residuals), pq.ksub)
    with _distances_by_matrix_product():
        pq.train(np.ascontiguousarray(np.resize(residuals, (rows, residuals.shape[1]))))


@contextmanager
def _distances_by_matrix_product() -> Iterator[None]:
    """Let FAISS take its fast path on narrow vectors: eleven times as fast on codebooks.

    By default it computes small blocks pair by pair, which is more precise; residuals are centred and do not need that.
    """
    before = faiss.cvar.distance_compute_blas_threshold
    faiss.cvar.distance_compute_blas_threshold = _MATRIX_PRODUCT_SIZE
    try:
        yield
    finally:
        faiss.cvar.distance_compute_blas_threshold = before


def _names(name: str) -> tuple[str, str]:
    return f"template-{name}.faiss", f"template-{name}.npz"
