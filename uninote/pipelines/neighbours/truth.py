"""The exact neighbours of a sample of notes: what recall is measured by, and what cells are planned by."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from uninote.neighbours.lists import Lists
from uninote.pipelines.lake.stored_vectors import StoredVectors, VectorSample
from uninote.pipelines.runtime.progress import say


@dataclass(frozen=True)
class Truth:
    """The exact neighbours of a sample: `keys` int64 (m,), and their `lists`, (m, K), whose ids are keys."""

    keys: np.ndarray
    lists: Lists


def sample_truth(vectors: StoredVectors, sample: VectorSample, k: int) -> Truth:
    """Return the exact neighbours of a sample, by comparing it with all."""
    say(f"neighbours: exact neighbours of {len(sample.keys):,} notes, to measure recall by")
    return Truth(sample.keys, vectors.exact(sample.keys, sample.vectors, k))
