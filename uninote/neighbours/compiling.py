"""Compiling all that joins, updates and recall run, before they do: numba keeps it on disk for the processes that follow.

It takes 22 CPU-seconds for the join alone (two cores at 2.5 GHz), and would else come in the first run that has enough notes
for the kernel: long after the install, and without a word.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from uninote.neighbours.kernel.approximate import top_k
from uninote.neighbours.kernel.assignments import Assignment
from uninote.neighbours.kernel.settings import Settings
from uninote.neighbours.results.merge_lists import FlatLists, merge_groups
from uninote.neighbours.truth import exact_topk
from uninote.neighbours.update.changed_join import ChangedRows
from uninote.neighbours.update.probes import join_probed

_ROWS = 3_000  # several leaves, and enough changed rows that an update plans what it looks at
_CHANGED = 400
_WIDTH = 64
_K = 8
_SETTINGS = Settings(assignments=2, leaf_rows=200, rounds=1, length=16, recall=0.99)


def compile_kernels() -> None:
    """Run every compiled function once, on arrays of the types that jobs give them."""
    generator = np.random.default_rng(0)
    vectors = generator.standard_normal((_ROWS, _WIDTH), np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    assignments: list[Assignment] = []
    # A recall that is not reached takes one way through the join, one that is reached at once another.
    top_k(vectors[_CHANGED:], _K, settings=_SETTINGS, assignments=assignments)
    top_k(vectors[_CHANGED:], _K, settings=replace(_SETTINGS, recall=0.1))
    limits = np.full(_ROWS, -np.inf, np.float32)
    join_probed(ChangedRows(vectors, _CHANGED, limits), _K, assignments, recall=0.9, seed=0)
    keys = _as_read(np.arange(_ROWS))
    found = exact_topk(vectors[:_K], iter([(keys, vectors)]), _K, exclude=np.arange(_K))
    starts = np.arange(_K + 1) * _K
    ids = found.ids.ravel()
    scores = found.scores.ravel()
    valid = np.ones(ids.size, bool)
    for entries in (FlatLists(starts, ids, scores, valid), FlatLists(starts, _as_read(ids), _as_read(scores), valid)):
        merge_groups(entries, np.arange(_K), np.arange(_K + 1), _K)


def _as_read(column: np.ndarray) -> np.ndarray:
    """Return a column as files are read: not to be written to, for which numba compiles another version."""
    read = column.copy()
    read.setflags(write=False)
    return read
