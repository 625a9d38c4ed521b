"""How the corpus is cut for the join: one cell while a task can hold it, else as many as fit, overlapping as a sample asks."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from uninote.config.sections.neighbours import NeighboursConfig
from uninote.errors import ConfigError
from uninote.neighbours.cells import assign_cells, fit_cells
from uninote.neighbours.kernel.settings import needed_bytes, settings_for
from uninote.pipelines.lake.stored_vectors import StoredVectors
from uninote.pipelines.neighbours.recall import Truth
from uninote.pipelines.runtime.progress import say
from uninote.vectors.kmeans import nearest_centroids

ROWS_PER_CENTROID = 256  # k-means gains nothing from more
MOST_OVERLAP = 6
_ROOM = 0.01  # by so much the share of true pairs that meet should exceed the recall that is asked
_MOST_RECALL = 0.995  # of the kernel, where overlapping cells leave it nothing to lose
_PROCESS_BYTES = 300 << 20
_ROW_COPIES = 2.5  # of vectors: as they came, put together, and some slack
_ROW_BYTES = 300  # key, note_id, attributes, and the lists as they go out
_SMALLEST = 1000  # rows that a cell must be able to hold


@dataclass(frozen=True)
class JoinPlan:
    """The cells' centroids, float32 (cells, width), heaviest first; each row is in `overlap` of them.

    `ceiling` is the share of a sample's true pairs that meet in some cell; `recall` what the kernel is asked for there. As
    many meet where one row is at home in a cell and the other one visits its nearest `visits`.
    """

    centroids: np.ndarray
    overlap: int
    ceiling: float
    recall: float
    visits: int

    def counts(self) -> dict[str, int]:
        """Return it for the ledger."""
        return {"cells": len(self.centroids), "overlap": self.overlap}


def capacity(settings: NeighboursConfig, width: int) -> int:
    """Return how many rows a task can hold. Raises ConfigError when that is next to none."""
    depth = 2 * (settings.k + settings.slack)
    probe = 1_000_000
    per_row = needed_bytes(probe, width, depth, settings_for(probe, depth, 0.98)) / probe
    per_row += width * 4 * _ROW_COPIES + _ROW_BYTES
    rows = int(((settings.task_mib << 20) - _PROCESS_BYTES) / per_row)
    if rows < _SMALLEST:
        least = int(_SMALLEST * per_row + _PROCESS_BYTES) >> 20
        raise ConfigError(
            f"neighbours.task_mib is {settings.task_mib}; rows of width {width} need at least {least + 1}"
        )
    return rows


def plan_join(settings: NeighboursConfig, vectors: StoredVectors, rows: int, width: int, truth: Truth) -> JoinPlan:
    """Plan the join of `rows` vectors. Raises ConfigError when cells as configured do not fit into a task's memory."""
    held = capacity(settings, width)
    overlap = settings.overlap or MOST_OVERLAP // 2
    home = settings.cell_rows or max(1, held // overlap)
    whole = settings.cell_rows is None or rows <= settings.cell_rows * overlap
    if rows <= held and whole:
        say(f"neighbours: {rows:,} rows in one cell; a task holds up to {held:,} in {settings.task_mib:,} MiB")
        return JoinPlan(np.zeros((1, width), np.float32), 1, 1.0, kernel_recall(settings), 1)
    if home * overlap > held:
        raise ConfigError(
            f"cells of {home:,} rows, {overlap} to a row, do not fit: a task of neighbours.task_mib={settings.task_mib} holds "
            f"{held:,} rows; allow more memory, or set neighbours.cell_rows to at most {held // overlap:,}"
        )
    cells = -(-rows // home)
    sample = vectors.survey(cells * ROWS_PER_CENTROID, settings.seed).vectors
    centroids = _heaviest_first(fit_cells(sample, cells, settings.seed), sample, overlap)
    choices = [settings.overlap] if settings.overlap else range(2, MOST_OVERLAP + 1)
    pairs = _true_pairs(vectors, truth)
    ceilings = {choice: _ceiling(pairs, centroids, choice) for choice in choices}
    wanted = min(1.0, settings.recall_target + _ROOM)
    chosen = min((choice for choice, found in ceilings.items() if found >= wanted), default=max(ceilings))
    told = ", ".join(f"{choice}: {found:.4f}" for choice, found in ceilings.items())
    say(f"neighbours: {rows:,} rows in {len(centroids):,} cells; share of true pairs that meet, by overlap: {told}")
    chosen = min(chosen, assign_cells(sample[:1], centroids, chosen).shape[1])
    recall = min(_MOST_RECALL, kernel_recall(settings) / max(ceilings.values()))
    ceiling = ceilings.get(chosen, 1.0)
    return JoinPlan(centroids, chosen, ceiling, recall, _visits(pairs, centroids, min(wanted, ceiling)))


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
    meet = (cells[pairs.mine][:, :, None] == cells[pairs.theirs][:, None, :]).any(axis=(1, 2))
    return float(meet.mean()) if len(meet) else 1.0


def _visits(pairs: _Pairs, centroids: np.ndarray, share: float) -> int:
    """Return how many of its nearest cells a row must visit to meet that share of its true neighbours at home."""
    home = assign_cells(pairs.matrix, centroids, 1, pairs.keys)[:, 0]
    asked, mine = np.unique(pairs.mine, return_inverse=True)
    rank = np.argsort(nearest_centroids(pairs.matrix[asked], centroids, len(centroids)), axis=1)
    needed = np.sort(rank[mine, home[pairs.theirs]]) + 1
    return int(needed[math.ceil(share * len(needed)) - 1]) if len(needed) else 1


class _Pairs(NamedTuple):
    """A sample's true pairs: positions `mine` and `theirs` among `keys` int64 and `matrix` float32."""

    keys: np.ndarray
    matrix: np.ndarray
    mine: np.ndarray
    theirs: np.ndarray


def _true_pairs(vectors: StoredVectors, truth: Truth) -> _Pairs:
    rows, slots = np.nonzero(truth.found >= 0)
    found = truth.found[rows, slots]
    keys, matrix = vectors.pick(np.concatenate([truth.keys, found]))
    return _Pairs(keys, matrix, np.searchsorted(keys, truth.keys)[rows], np.searchsorted(keys, found))
