"""Training the template of an index: centroids, codebooks and rotation from a sample, and which lists are neighbours."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext

import faiss
import numpy as np

from uninote.index.planning.plan import LIST_ROUNDS, IndexPlan
from uninote.index.template.affinity import group_lists, settle_lists
from uninote.index.template.centroids import Centroids
from uninote.index.template.template import Template, code_error, new_ivfpq
from uninote.vectors.kmeans import check_vectors, fit_kmeans

Step = Callable[[str], AbstractContextManager[None]]

# Rows x width from which FAISS multiplies matrices, as set while codebooks are trained.
_MATRIX_PRODUCT_SIZE = 20
# 256 for each codeword; more change nothing.
_CODEBOOK_ROWS = 65_536
_ROTATION_ROUNDS = 20
# Of a sample, whose nearest lists say which belong into one cell.
_PROBING_ROWS = 20_000
_PROBED = 8  # lists of each of those rows
# Every tenth row of a sample: on these the codes are judged, since they were not trained on them.
_HELD_OUT = 10


def silent(part: str) -> AbstractContextManager[None]:
    """Say nothing of a part of the training."""
    return nullcontext()


def train_template(sample: np.ndarray, plan: IndexPlan, seed: int, step: Step = silent) -> Template:
    """Train centroids and codebooks on `sample`, float32 (rows, width), in one process, and lay out the lists.

    Deterministic given the seed. Needs at least `plan.nlist` rows; ClusteringError says so otherwise. `step` is entered
    around each part that takes long, with what it does.
    """
    check_vectors(sample, plan.width)
    with step(f"rotation of {len(sample):,} rows") if plan.opq else nullcontext():
        rotation = fit_rotation(sample, plan, seed)
    rotated = sample if rotation is None else sample @ rotation.T
    with step(f"k-means, {plan.nlist:,} lists of {len(sample):,} rows"):
        centroids = Centroids(fit_kmeans(rotated, plan.nlist, seed, LIST_ROUNDS))
    with step(f"training of {plan.pq_m} codebooks"):
        return finish_template(rotated, rotation, centroids, plan, seed)


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
    coded = rotated[::every]
    if index.by_residual:
        coded = coded - centroids.centres[lists[::every]]
    held_out = np.arange(len(coded)) % _HELD_OUT == 0
    # A small corpus needs every row for its codebooks: then the error is measured on rows that trained them.
    enough = (~held_out).sum() >= 4 * index.pq.ksub
    _train_codebooks(index.pq, coded[~held_out] if enough else coded, seed)
    error = code_error(index.pq, coded[held_out] if enough else coded)
    list_rows = np.bincount(lists, minlength=plan.nlist)
    list_cell = group_lists(centroids.centres, list_rows, plan.num_cells, seed)
    if plan.num_cells > 1:
        probed = centroids.nearest(rotated[:: max(1, len(rotated) // _PROBING_ROWS)], min(_PROBED, plan.nlist))
        list_cell = settle_lists(list_cell, list_rows, probed)
    groups = np.empty((0, plan.width), np.float32) if centroids.groups is None else centroids.groups
    return Template(index, rotation, list_cell, list_rows, groups, error)


def _train_codebooks(pq: faiss.ProductQuantizer, coded: np.ndarray, seed: int) -> None:
    pq.cp.seed = seed
    # Below its default of 39 rows a centroid FAISS prints a warning for each part.
    pq.cp.min_points_per_centroid = 1
    # Fewer rows than codewords: rows repeat, and each distinct one becomes a codeword.
    rows = max(len(coded), pq.ksub)
    # Centred: the fast path loses the small differences of vectors in a cone. A part's codewords are shifted back.
    middle = coded.mean(axis=0, dtype=np.float64).astype(np.float32)
    with _distances_by_matrix_product():
        pq.train(np.ascontiguousarray(np.resize(coded - middle, (rows, coded.shape[1]))))
    codewords = faiss.vector_to_array(pq.centroids).reshape(pq.M, pq.ksub, pq.dsub) + middle.reshape(pq.M, 1, pq.dsub)
    faiss.copy_array_to_vector(codewords.ravel(), pq.centroids)


@contextmanager
def _distances_by_matrix_product() -> Iterator[None]:
    """Let FAISS take its fast path on narrow vectors: eleven times as fast on codebooks.

    By default it computes small blocks pair by pair, which is more precise; centred vectors do not need that.
    """
    before = faiss.cvar.distance_compute_blas_threshold
    faiss.cvar.distance_compute_blas_threshold = _MATRIX_PRODUCT_SIZE
    try:
        yield
    finally:
        faiss.cvar.distance_compute_blas_threshold = before
