"""The template: what an index learns once, before any vector is added, and every shard shares."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import faiss
import numpy as np

from uninote.index.affinity import group_lists, pack_cells
from uninote.index.files import write_whole
from uninote.index.manifest import IndexDamagedError
from uninote.index.plan import IndexPlan
from uninote.kmeans import check_vectors, fit_kmeans, nearest_centroids

_MATRIX_PRODUCT_SIZE = 20  # rows x width from which FAISS multiplies matrices, as set while codebooks are trained


@dataclass(frozen=True, eq=False)
class Template:
    """A trained, empty IVF-PQ index, and where its lists go: `list_cell` int32 (nlist,), `cell_shard` int32 (cells,).

    The metric is L2 throughout, for vectors of unit length: score = 1 - d²/2. Codes are of residuals to the
    centroid, so a cone of vectors that all point one way is coded as finely as any other.
    """

    index: faiss.IndexIVFPQ
    list_cell: np.ndarray
    cell_shard: np.ndarray

    @property
    def width(self) -> int:
        """Width of the vectors."""
        return int(self.index.d)

    @property
    def shard_of_list(self) -> np.ndarray:
        """int32 (nlist,): the shard of each list."""
        return np.asarray(self.cell_shard[self.list_cell])

    @cached_property
    def centroids(self) -> np.ndarray:
        """float32 (nlist, width): the centre of each list."""
        return np.asarray(self.index.quantizer.reconstruct_n(0, self.index.nlist))

    def assign(self, vectors: np.ndarray) -> np.ndarray:
        """Return int32 (n,): the list of each vector, float32 (n, width)."""
        return nearest_centroids(vectors, self.centroids)[:, 0]

    def content_hash(self) -> str:
        """Return 16 hexadecimal characters over everything in the template; its files are named by it."""
        parts = (faiss.serialize_index(self.index), self.list_cell, self.cell_shard)
        return hashlib.sha256(b"".join(part.tobytes() for part in parts)).hexdigest()[:16]

    def save(self, folder: Path) -> str:
        """Write the template's two files, named by its hash, into `folder`. Returns the hash."""
        name = self.content_hash()
        layout = {"list_cell": self.list_cell.tolist(), "cell_shard": self.cell_shard.tolist()}
        index_path, layout_path = _paths(folder, name)
        write_whole(index_path, lambda path: faiss.write_index(self.index, str(path)))
        write_whole(layout_path, lambda path: _write_json(path, layout))
        return name


def train_template(sample: np.ndarray, plan: IndexPlan, seed: int) -> Template:
    """Train centroids and codebooks on `sample`, float32 (rows, width), and lay out the lists as `plan` says.

    Deterministic given the seed. Needs at least `plan.nlist` rows; ClusteringError says so otherwise.
    """
    check_vectors(sample, plan.width)
    centroids = fit_kmeans(sample, plan.nlist, seed)
    lists = nearest_centroids(sample, centroids)[:, 0]
    index = new_ivfpq(centroids, plan.pq_m, plan.pq_nbits)
    _train_codebooks(index.pq, sample - centroids[lists], seed)
    list_rows = np.bincount(lists, minlength=plan.nlist)
    list_cell = group_lists(centroids, list_rows, plan.num_cells, seed)
    cell_rows = np.bincount(list_cell, weights=list_rows, minlength=plan.num_cells)
    return Template(index, list_cell, pack_cells(cell_rows, plan.num_shards))


def load_template(folder: Path, content_hash: str) -> Template:
    """Return the template saved under `content_hash`. Raises IndexDamagedError when it is missing or not that one."""
    index_path, layout_path = _paths(folder, content_hash)
    try:
        index = faiss.read_index(str(index_path), faiss.IO_FLAG_SKIP_PRECOMPUTE_TABLE)
        layout = json.loads(layout_path.read_text(encoding="utf-8"))
        list_cell, cell_shard = (np.array(layout[name], dtype=np.int32) for name in ("list_cell", "cell_shard"))
    except (RuntimeError, OSError, ValueError, KeyError) as error:
        raise IndexDamagedError(f"template {content_hash} in {folder} cannot be read: {error}") from error
    template = Template(index, list_cell, cell_shard)
    if template.content_hash() != content_hash:
        raise IndexDamagedError(
            f"template {content_hash} in {folder} was changed after it was written; restore it or build the index again"
        )
    return template


def new_ivfpq(centroids: np.ndarray, pq_m: int, pq_nbits: int) -> faiss.IndexIVFPQ:
    """Return an empty L2 IVF-PQ index around `centroids`, float32 (lists, width), its codebooks still to be set."""
    quantizer = faiss.IndexFlatL2(centroids.shape[1])
    quantizer.add(centroids)
    index = faiss.IndexIVFPQ(quantizer, centroids.shape[1], len(centroids), pq_m, pq_nbits, faiss.METRIC_L2)
    index.is_trained = True
    return index


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


def _paths(folder: Path, name: str) -> tuple[Path, Path]:
    return folder / f"template-{name}.faiss", folder / f"template-{name}.json"


def _write_json(path: Path, values: object) -> None:
    path.write_text(json.dumps(values), encoding="utf-8")
