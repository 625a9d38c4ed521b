"""How the corpus is cut for the join: one cell while a task can hold it, else as many as fit, overlapping as a sample asks."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from uninote.config.sections.neighbours import NeighboursConfig
from uninote.errors import ConfigError
from uninote.neighbours.cells import assign_cells, fit_cells
from uninote.neighbours.planning.cells import (
    MOST_OVERLAP,
    ROWS_PER_CENTROID,
    capacity,
    cells_planned,
    overlap_planned,
)
from uninote.neighbours.results.lists import Lists
from uninote.pipelines.lake.reading.stored_vectors import StoredVectors, VectorSample
from uninote.pipelines.runtime.progress import say, step
from uninote.vectors.kmeans import nearest_centroids

_ROOM = 0.01  # by so much the share of true pairs that meet should exceed the recall that is asked
_MOST_RECALL = 0.995  # of the kernel, where overlapping cells leave it nothing to lose


@dataclass(frozen=True)
class Truth:
    """The exact neighbours of a sample: `keys` int64 (m,), and their `lists`, (m, any), whose ids are keys."""

    keys: np.ndarray
    lists: Lists


def sample_truth(vectors: StoredVectors, sample: VectorSample, k: int) -> Truth:
    """Return the exact neighbours of a sample, by comparing it with all: cells are planned and recall is measured by them."""
    with step(f"neighbours: exact neighbours of {len(sample.keys):,} notes, to measure recall by"):
        return Truth(sample.keys, vectors.exact(sample.keys, sample.vectors, k))


@dataclass(frozen=True)
class JoinPlan:
    """The cells' centroids, float32 (cells, width), heaviest first; each row is in `overlap` of them.

    `ceiling` is the share of a sample's true pairs that are together in some cell; `recall` what the kernel is asked for
    there. As many pairs are together where one row is in its primary cell and the other one in its `nearest` cells: that is
    how an update joins.
    """

    centroids: np.ndarray
    overlap: int
    ceiling: float
    recall: float
    nearest: int

    def counts(self) -> dict[str, int]:
        """Return it for the ledger."""
        return {"cells": len(self.centroids), "overlap": self.overlap}


def plan_join(
    settings: NeighboursConfig, vectors: StoredVectors, rows: int, width: int, truth: Callable[[], Truth]
) -> JoinPlan:
    """Plan the join of `rows` vectors; `truth` is asked for only where there are cells to plan.

    Raises ConfigError when cells as configured do not fit into a task's memory.
    """
    most = capacity(settings, width)
    overlap = overlap_planned(settings)
    cells = cells_planned(settings, rows, width)
    if cells == 1:
        say(f"neighbours: {rows:,} rows in one cell; a task holds up to {most:,} in {settings.task_mib:,} MiB")
        return JoinPlan(np.zeros((1, width), np.float32), 1, 1.0, kernel_recall(settings), 1)
    if settings.cell_rows is not None and settings.cell_rows * overlap > most:
        raise ConfigError(
            f"cells of {settings.cell_rows:,} rows, {overlap} to a row, do not fit: a task of neighbours.task_mib="
            f"{settings.task_mib} holds {most:,} rows; allow more memory, or set neighbours.cell_rows to at most "
            f"{most // overlap:,}"
        )
    sample = vectors.sample(cells * ROWS_PER_CENTROID, settings.seed).vectors
    with step(f"neighbours: k-means, {cells:,} cells of {len(sample):,} rows"):
        centroids = _heaviest_first(fit_cells(sample, cells, settings.seed), sample, overlap)
    return _overlapping(settings, rows, centroids, _true_pairs(vectors, truth(), settings.k))


def _overlapping(settings: NeighboursConfig, rows: int, centroids: np.ndarray, pairs: _Pairs) -> JoinPlan:
    """Plan the least overlap at which enough of a sample's true pairs are together in some cell."""
    overlaps = [settings.overlap] if settings.overlap else range(2, MOST_OVERLAP + 1)
    wanted = min(1.0, settings.recall_target + _ROOM)
    ceilings = {}
    listed = []
    enough = []
    for overlap in overlaps:
        share = _ceiling(pairs, centroids, overlap)
        ceilings[overlap] = share
        listed.append(f"{overlap}: {share:.4f}")
        if share >= wanted:
            enough.append(overlap)
    by_overlap = ", ".join(listed)
    say(
        f"neighbours: {rows:,} rows in {len(centroids):,} cells; share of true pairs that meet, by overlap: {by_overlap}"
    )
    # Heavy cells are split into copies of one centroid, which do not count: a row is in one of them.
    overlap = min(min(enough, default=max(ceilings)), len(np.unique(centroids, axis=0)))
    ceiling = ceilings.get(overlap, 1.0)
    recall = min(_MOST_RECALL, kernel_recall(settings) / max(ceilings.values()))
    nearest = _nearest_cells(pairs, centroids, min(wanted, ceiling))
    return JoinPlan(centroids, overlap, ceiling, recall, nearest)


def kernel_recall(settings: NeighboursConfig) -> float:
    """Return what the kernel is asked for where no pair is lost to cells."""
    return min(_MOST_RECALL, settings.recall_target + _ROOM / 2)


def _heaviest_first(centroids: np.ndarray, sample: np.ndarray, overlap: int) -> np.ndarray:
    """Order cells by their rows: Spark starts partitions in order, and the longest task should not come last."""
    cells = assign_cells(sample, centroids, overlap)
    return centroids[np.argsort(-np.bincount(cells.ravel(), minlength=len(centroids)), kind="stable")]


def _ceiling(pairs: _Pairs, centroids: np.ndarray, overlap: int) -> float:
    """Return the share of the sample's true neighbours that are in a cell with it."""
    cells = assign_cells(pairs.matrix, centroids, overlap, pairs.keys)
    together = (cells[pairs.mine][:, :, None] == cells[pairs.theirs][:, None, :]).any(axis=(1, 2))
    return float(together.mean()) if len(together) else 1.0


def _nearest_cells(pairs: _Pairs, centroids: np.ndarray, share: float) -> int:
    """Return to how many of its nearest cells a row must be sent to find that share of its true neighbours' primary rows."""
    primary = assign_cells(pairs.matrix, centroids, 1, pairs.keys)[:, 0]
    asked, mine = np.unique(pairs.mine, return_inverse=True)
    rank = np.argsort(nearest_centroids(pairs.matrix[asked], centroids, len(centroids)), axis=1)
    needed = np.sort(rank[mine, primary[pairs.theirs]]) + 1
    return int(needed[math.ceil(share * len(needed)) - 1]) if len(needed) else 1


class _Pairs(NamedTuple):
    """A sample's true pairs: positions `mine` and `theirs` among `keys` int64 and `matrix` float32."""

    keys: np.ndarray
    matrix: np.ndarray
    mine: np.ndarray
    theirs: np.ndarray


def _true_pairs(vectors: StoredVectors, truth: Truth, k: int) -> _Pairs:
    ids = truth.lists.ids[:, :k]
    rows, slots = np.nonzero(ids >= 0)
    found = ids[rows, slots]
    keys, matrix = vectors.pick(np.concatenate([truth.keys, found]))
    return _Pairs(keys, matrix, np.searchsorted(keys, truth.keys)[rows], np.searchsorted(keys, found))
